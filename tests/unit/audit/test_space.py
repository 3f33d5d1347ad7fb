"""Watermarks, and the reserve at the end of the volume."""

import pytest

from deepseek_local.audit.record import Kind
from deepseek_local.audit.reserve import Reserve
from deepseek_local.audit.space import Level, Space, Watermarks


@pytest.mark.parametrize(
    ("free_percent", "before", "after"),
    [
        (15.0, Level.ROOM, Level.ROOM),
        (14.9, Level.ROOM, Level.LOW),
        (15.5, Level.LOW, Level.LOW),
        (16.0, Level.LOW, Level.ROOM),
        (5.0, Level.LOW, Level.LOW),
        (4.9, Level.LOW, Level.FULL),
        (4.9, Level.ROOM, Level.FULL),
        (5.9, Level.FULL, Level.FULL),
        (6.0, Level.FULL, Level.LOW),
        (15.5, Level.FULL, Level.LOW),
        (16.0, Level.FULL, Level.ROOM),
    ],
)
def test_a_level_ends_higher_than_it_begins(free_percent, before, after):
    assert Watermarks(15, 5).level(free_percent, before) is after


def test_a_watermark_of_0_is_none():
    never = Watermarks(0, 0)
    assert [never.level(0.0, before) for before in Level] == [Level.ROOM] * 3


@pytest.fixture
def always_below(tmp_path):
    """Look at a real volume through watermarks that no volume reaches."""

    def make(warn: float, stop: float) -> Space:
        return Space(tmp_path, Watermarks(warn, stop))

    return make


def test_each_level_is_recorded_once(always_below):
    space = always_below(200, 0)
    (told,) = space.look()
    assert (told.kind, told.cseq) == (Kind.ADMIN, 0)
    assert (told.fields["act"], told.fields["obj"]) == ("disk_low", "audit_log")
    assert 0 < told.fields["attr"]["free_permille"] < 1000
    assert space.look() == []


def test_a_full_volume_takes_everything_but_what_strangers_cause(always_below):
    space = always_below(200, 150)
    assert space.admits(Kind.DECISION)
    assert space.look()[0].fields["act"] == "disk_full"
    assert space.is_full
    refused = {kind for kind in Kind if not space.admits(kind)}
    assert refused == {Kind.DECISION, Kind.AUTH_FAIL, Kind.TLS_FAIL, Kind.REFUSED}


def test_a_volume_with_room_keeps_a_reserve_and_says_nothing(always_below, tmp_path):
    space = always_below(0.002, 0.001)
    assert space.look() == []
    assert (tmp_path / "reserve").stat().st_blocks > 0
    assert not space.is_full


def test_no_reserve_is_made_while_there_is_no_room(always_below, tmp_path):
    always_below(200, 150).look()
    assert not (tmp_path / "reserve").exists()


def test_a_reserve_takes_its_bytes_and_gives_them_back(tmp_path):
    reserve = Reserve(tmp_path)
    assert reserve.held_bytes == 0
    reserve.take(100_000)
    assert reserve.held_bytes >= 100_000
    assert Reserve(tmp_path).held_bytes == reserve.held_bytes
    reserve.give_up()
    assert reserve.held_bytes == 0
    assert list(tmp_path.iterdir()) == []


def test_a_reserve_that_cannot_be_had_is_no_failure(tmp_path, caplog):
    reserve = Reserve(tmp_path)
    reserve.take(1 << 60)
    assert reserve.held_bytes == 0
    assert list(tmp_path.iterdir()) == []
    assert "nothing is kept in reserve" in caplog.text
