"""Bans: counted per source within a minute, ended by themselves, bounded in memory."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.identity.bans import OTHERS, Ban, Bans, Suppressed, group_of

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
A, B = "10.0.0.1", "10.0.0.2"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_after_the_limit_an_address_is_banned_until_its_time_is_over():
    bans = Bans(3, 60)
    assert [bans.failed(A, later(second)) for second in range(3)] == [None, None, None]
    assert bans.failed(A, later(3)) == 59
    assert bans.failed(A, later(61.5)) == 1
    assert bans.failed(A, later(62)) is None


def test_other_addresses_are_counted_apart():
    bans = Bans(1, 60)
    assert bans.failed(A, NOW) is None
    assert bans.failed(B, NOW) is None
    assert (bans.failed(A, NOW), bans.failed(B, NOW)) == (60, 60)


def test_failures_of_another_minute_do_not_count():
    bans = Bans(3, 60)
    assert [bans.failed(A, later(second)) for second in (0, 59, 60, 61)] == [None] * 4
    assert bans.failed(A, later(62)) is None
    assert bans.failed(A, later(63)) == 59


def test_each_ban_is_told_once_when_it_is_over():
    bans = Bans(2, 10)
    for second in range(7):
        bans.failed(A, later(second))
    bans.failed(B, later(8))
    assert bans.take_suppressed(later(10.9)) == []
    assert bans.take_suppressed(later(11)) == [Suppressed(A, 5, later(1))]
    assert bans.take_suppressed(later(12)) == []


def test_a_ban_that_suppressed_nothing_is_not_told():
    bans = Bans(1, 10)
    bans.failed(A, NOW)
    assert bans.take_suppressed(later(11)) == []


def test_the_begin_of_a_ban_is_told_once_with_its_failures_and_its_end():
    bans = Bans(3, 60)
    for second in range(2):
        bans.failed(A, later(second))
    assert bans.take_begun() == []
    for second in range(2, 9):
        bans.failed(A, later(second))
    assert bans.take_begun() == [Ban(A, 3, NOW, later(62))]
    assert bans.take_begun() == []


def test_bans_of_whom_nobody_asks_are_told_together_in_bounded_memory():
    bans = Bans(2, 1, capacity=5)
    for number in range(1_000):
        for _ in range(2):
            bans.failed(f"10.0.{number // 250}.{number % 250}", later(2 * number))
    told = bans.take_begun()
    assert len(told) == 6
    assert sum(ban.failures for ban in told) == 2_000
    assert told[-1] == Ban(OTHERS, 1_990, later(10), later(1_999))


def test_a_stop_ends_all_bans():
    bans = Bans(1, 3600)
    for address in (A, A, B, B, B):
        bans.failed(address, NOW)
    assert bans.take_suppressed(NOW, everything=True) == [Suppressed(A, 1, NOW), Suppressed(B, 2, NOW)]
    assert bans.take_suppressed(NOW, everything=True) == []


def test_addresses_beyond_the_capacity_are_counted_together():
    bans = Bans(2, 60, capacity=3)
    for number in range(3):
        assert bans.failed(f"10.0.1.{number}", NOW) is None
    assert bans.failed("10.0.2.1", NOW) is None
    assert bans.failed("10.0.2.2", NOW) is None
    assert bans.failed("10.0.2.3", NOW) == 60
    assert bans.failed("10.0.1.0", NOW) is None
    assert bans.take_suppressed(NOW, everything=True) == [Suppressed(OTHERS, 1, NOW)]


@pytest.mark.parametrize(
    ("address", "group"),
    [
        (A, A),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unix", "unix"),
    ],
)
def test_ipv6_is_counted_by_64_bits(address: str, group: str):
    assert group_of(address) == group


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=300))
@settings(derandomize=True)
def test_memory_is_bounded_and_no_suppressed_refusal_is_lost(steps: list[tuple[int, int]]):
    bans = Bans(3, 20, capacity=5)
    now, refused, told = NOW, 0, 0
    for number, seconds in steps:
        now += timedelta(seconds=seconds)
        left = bans.failed(f"10.0.0.{number}", now)
        assert left is None or 1 <= left <= 20
        refused += left is not None
        told += sum(one.count for one in bans.take_suppressed(now))
        assert len(bans._failures) + len(bans._bans) <= 6
    assert told + sum(one.count for one in bans.take_suppressed(now, everything=True)) == refused


def test_bans_that_nobody_asks_for_take_bounded_memory_and_lose_no_count():
    bans = Bans(1, 1, capacity=5)
    for number in range(300):
        for _ in range(2):
            bans.failed(f"10.0.{number // 250}.{number % 250}", later(2 * number))
    told = bans.take_suppressed(later(1000))
    assert len(told) == 6
    assert sum(one.count for one in told) == 300
    assert told[-1].address == OTHERS


@pytest.mark.parametrize("back_seconds", [10, 3600])
def test_a_clock_that_is_set_back_prolongs_no_ban(back_seconds: int):
    bans = Bans(1, 60)
    bans.failed(A, NOW)
    assert bans.failed(A, later(20)) == 40
    assert bans.failed(A, later(20 - back_seconds)) == 40
    assert bans.failed(A, later(60 - back_seconds)) is None
