import pytest

from deepseek_local.evidence.senders import Hole, Senders


@pytest.fixture
def senders():
    senders = Senders()
    senders.start("boot-1")
    return senders


def take(senders, *counts: int, pid: int = 42) -> Senders:
    for seq, cseq in enumerate(counts, 100):
        senders.take(pid, cseq, seq)
    return senders


def result(senders) -> tuple[Hole | None, int, int]:
    senders.end()
    return senders.lost, senders.lost_records, senders.unconfirmed_records


INTACT = (None, 0, 0)


def test_a_process_that_counts_without_holes_lost_nothing(senders):
    assert result(take(senders, 1, 2, 3, 4)) == INTACT


def test_a_hole_on_one_connection_is_a_loss(senders):
    assert result(take(senders, 1, 2, 5, 6)) == (Hole(42, 3, 4, 102, is_told=False), 2, 0)


def test_the_first_of_several_holes_is_named_and_all_are_counted(senders):
    lost, records, _ = result(take(senders, 1, 3, 4, 9))
    assert (lost.first, lost.last, records) == (2, 2, 5)


def test_processes_do_not_disturb_each_other(senders):
    take(senders, 1, 2, pid=7)
    take(senders, 1, 2, pid=8)
    assert result(take(senders, 3, pid=7)) == INTACT


def test_what_was_under_way_on_an_old_connection_was_never_confirmed(senders):
    take(senders, 1, 2)
    senders.hello(42)
    assert result(take(senders, 5, 6)) == (None, 0, 2)


def test_only_the_first_record_of_a_connection_may_leave_a_hole(senders):
    take(senders, 1, 2)
    senders.hello(42)
    assert result(take(senders, 3, 6)) == (Hole(42, 4, 5, 101, is_told=False), 2, 0)


def test_connections_of_one_process_can_overtake_each_other(senders):
    assert result(take(senders, 1, 2, 4, 3, 7, 6, 5, 8)) == INTACT


def test_a_hole_that_is_filled_in_part_stays_one(senders):
    lost, records, _ = result(take(senders, 1, 6, 4))
    assert (lost.first, lost.last, records) == (2, 3, 3)


def test_a_process_may_be_seen_first_at_any_number(senders):
    """It was forked, or the sequencer was away when it began, or a window begins later."""
    assert result(take(senders, 17, 18)) == INTACT


def test_a_pid_can_be_given_to_another_process(senders):
    take(senders, 1, 2, 3)
    senders.hello(42)
    assert result(take(senders, 1, 2)) == INTACT


def test_a_process_that_replaced_another_one_takes_no_hole_away(senders):
    take(senders, 1, 5)
    senders.hello(42)
    assert result(take(senders, 1, 2, 3, 4))[1] == 3


def test_after_another_boot_every_process_is_another_one(senders):
    take(senders, 1, 2)
    senders.start("boot-2")
    assert result(take(senders, 9, 10)) == INTACT


def test_a_restart_of_the_sequencer_alone_forgets_nobody(senders):
    take(senders, 1, 2)
    senders.start("boot-1")
    assert result(take(senders, 4))[1] == 1


def test_refusals_while_the_volume_is_full_are_no_loss(senders):
    take(senders, 1, 2)
    senders.room(is_full=True)
    take(senders, 5)
    senders.room(is_full=False)
    assert result(take(senders, 9, 10)) == (None, 0, 5)


def test_after_the_volume_has_room_again_a_second_hole_is_a_loss(senders):
    take(senders, 1)
    senders.room(is_full=True)
    senders.room(is_full=False)
    assert result(take(senders, 4, 6)) == (Hole(42, 5, 5, 101, is_told=False), 1, 2)


def test_a_hostile_process_cannot_fill_the_memory(senders):
    take(senders, *range(1, 20_001, 2))
    assert sum(map(len, senders._holes.values())) <= 64
    assert result(senders)[1] == 9_999
