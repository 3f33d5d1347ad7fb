import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit import clock
from deepseek_local.audit.clock import Moment

SECOND = 1_000_000_000
BEFORE = Moment(1_800_000_000 * SECOND, 50 * SECOND)


def later(wall: float, mono: float) -> Moment:
    return Moment(BEFORE.wall + round(wall * SECOND), BEFORE.mono + round(mono * SECOND))


@pytest.mark.parametrize(("wall", "mono"), [(3600, 3600), (0.9, 0), (-0.9, 0), (11, 10), (86_400.5, 86_400)])
def test_clocks_that_go_together_made_no_step(wall, mono):
    assert later(wall, mono).step_since(BEFORE) == 0


@pytest.mark.parametrize("step", [-86_400, -1.5, 1.5, 86_400])
def test_a_moved_wall_clock_is_a_step_of_that_size(step):
    assert later(10 + step, 10).step_since(BEFORE) == round(step * SECOND)


def test_a_timestamp_is_utc_with_microseconds():
    assert clock.timestamp(1_795_499_401_123_456_789) == "2026-11-24T05:50:01.123456Z"
    assert clock.timestamp(0) == "1970-01-01T00:00:00.000000Z"


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_timestamps_read_back_and_sort_like_the_clock(wall):
    microseconds = wall // 1000 * 1000
    assert clock.parse_timestamp(clock.timestamp(wall)) == microseconds
    assert clock.timestamp(wall) <= clock.timestamp(wall + 1000)


def test_both_clocks_of_this_host_go_forward():
    first, second = clock.now(), clock.now()
    assert second.mono >= first.mono
    assert second.step_since(first) == 0


def test_the_boot_id_is_the_kernels():
    assert len(clock.boot_id()) == 36
