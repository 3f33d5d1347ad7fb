"""Windows of the clock, and what does not fit."""

import pytest

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import Standing, charged, exceeded, window

NOON = 1_795_521_600
"""2026-11-24 12:00 UTC."""


def standing(kind: Kind, limit: int, used: int, now: float = NOON + 15.5) -> Standing:
    running = window(kind, now)
    return Standing(Counter("everything", kind, limit), used, running[1] if running else None, now)


@pytest.mark.parametrize(
    ("kind", "now", "expected"),
    [
        (Kind.REQUESTS_PER_MINUTE, NOON + 59.999, (NOON, NOON + 60)),
        (Kind.TOKENS_PER_MINUTE, NOON + 60, (NOON + 60, NOON + 120)),
        (Kind.TOKENS_PER_DAY, NOON, (NOON - 43_200, NOON + 43_200)),
        (Kind.CONCURRENT_STREAMS, NOON, None),
    ],
)
def test_windows_are_those_of_the_clock(kind, now, expected):
    assert window(kind, now) == expected


def test_what_fits_exactly_fits():
    full = standing(Kind.TOKENS_PER_MINUTE, limit=100, used=60)
    assert exceeded([full], 40) is None
    assert exceeded([full], 41) is not None
    assert charged([full], 40)[0].remaining == 0


def test_a_refused_request_may_come_again_when_the_window_ends():
    refused = exceeded([standing(Kind.REQUESTS_PER_MINUTE, limit=1, used=1)], 0)
    assert refused is not None
    assert refused.retry_after_seconds == 45


def test_a_request_that_never_fits_need_not_come_again():
    refused = exceeded([standing(Kind.TOKENS_PER_MINUTE, limit=100, used=0)], 101)
    assert refused is not None
    assert refused.retry_after_seconds is None


def test_the_longest_wait_is_told():
    minute, day = standing(Kind.TOKENS_PER_MINUTE, 10, 10), standing(Kind.TOKENS_PER_DAY, 10, 10)
    streams = standing(Kind.CONCURRENT_STREAMS, 1, 1)
    for order in ([minute, day, streams], [streams, day, minute]):
        refused = exceeded(order, 1)
        assert refused is not None
        assert refused.standing is day
        assert refused.standings == tuple(order)
    assert (streams.reset_seconds, minute.reset_seconds) == (1, 45)


def test_a_limit_that_was_lowered_leaves_nothing():
    assert standing(Kind.TOKENS_PER_DAY, limit=10, used=25).remaining == 0
