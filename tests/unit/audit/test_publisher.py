"""When checkpoints come, what is in them, and which files they leave."""

import stat

import checked_tree
import pytest

from deepseek_local.audit.publisher import CHECKPOINT_RECORDS


def sizes(desk) -> list[int]:
    return [each.size for each in checked_tree.check(desk.directory, desk.keys)]


def test_a_record_gets_its_checkpoint_within_a_second_and_not_at_once(desk, entry):
    log = desk.open()
    log.finish()
    assert not (desk.directory / "tlog").exists()
    desk.pass_time(0.5)
    assert log.wait_seconds() == pytest.approx(0.4)
    log.commit([entry()])
    log.finish()
    desk.pass_time(0.4)
    log.finish()
    assert sizes(desk) == [2]
    assert log.wait_seconds() is None


def test_nobody_wakes_up_for_a_log_in_which_nothing_is_new(desk):
    log = desk.open()
    desk.pass_time(1)
    log.finish()
    desk.pass_time(1000)
    log.finish()
    assert log.wait_seconds() is None
    assert sizes(desk) == [1]


def test_a_thousand_and_twenty_four_records_do_not_wait_for_the_second(desk, entry):
    log = desk.open()
    for _ in range(CHECKPOINT_RECORDS // 64):
        log.commit([entry()] * 64)
        log.finish()
    assert sizes(desk) == [CHECKPOINT_RECORDS + 1]


def test_the_last_record_is_in_the_last_checkpoint(desk, entry):
    log = desk.open()
    log.commit([entry()])
    log.stop("SIGTERM")
    assert sizes(desk) == [3]
    assert desk.kinds(1)[-1] == "stop"


def test_checkpoints_go_on_over_starts(desk, entry):
    for _ in range(3):
        log = desk.open()
        log.commit([entry()] * 300)
        desk.pass_time(1)
        log.finish()
        log.stop("SIGTERM")
        desk.close(log)
    assert sizes(desk) == [301, 302, 604, 605, 907, 908]


def test_the_origin_is_the_node_and_the_year_of_the_beginning_for_good(desk):
    log = desk.open()
    log.stop("SIGTERM")
    desk.close(log)
    desk.pass_time(400 * 86_400)
    desk.open().stop("SIGTERM")
    origins = {each.origin for each in checked_tree.check(desk.directory, desk.keys)}
    assert origins == {"gpu01/audit/2026"}


def test_the_partial_tiles_of_the_last_two_checkpoints_are_there_and_no_others(desk, entry):
    log = desk.open()
    for _ in range(4):
        log.commit([entry()] * 100)
        desk.pass_time(1)
        log.finish()
    assert sizes(desk) == [101, 201, 301, 401]
    tiles = sorted(
        str(each.relative_to(desk.directory / "tlog/tile")) for each in (desk.directory / "tlog/tile").rglob("*")
    )
    assert [each for each in tiles if each[-1].isdigit() and "/" in each] == [
        "0/000", "0/001.p/145", "0/001.p/45", "1/000.p/1",
    ]  # fmt: skip


def test_whoever_may_read_the_directory_may_read_what_proves_the_log(desk):
    log = desk.open()
    log.stop("SIGTERM")
    names = ("checkpoints.jsonl", "tlog/checkpoint", "tlog/tile/0/000.p/2")
    modes = [stat.S_IMODE((desk.directory / name).stat().st_mode) for name in names]
    assert modes == [0o640, 0o440, 0o440]
