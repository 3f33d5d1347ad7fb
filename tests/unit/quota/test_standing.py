"""Windows of the clock, and what does not fit."""

import pytest

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import Exceeded, Standing, amount, exceeded, stand

NOON = 1_795_521_600
"""2026-11-24 12:00 UTC."""


def standing(kind: Kind, limit: int, used: int) -> Standing:
    return stand([Counter("everything", kind, limit)], [used], NOON + 15.5)[0]


def after(standings: list[Standing], tokens: int) -> list[Standing]:
    return [
        Standing(each.counter, each.used + amount(each.counter.kind, tokens), each.reset_seconds) for each in standings
    ]


def refused(standings: list[Standing], tokens: int) -> Exceeded:
    answer = exceeded(after(standings, tokens), tokens)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("kind", "now", "seconds"),
    [
        (Kind.REQUESTS_PER_MINUTE, NOON, 60),
        (Kind.REQUESTS_PER_MINUTE, NOON + 59.999, 1),
        (Kind.TOKENS_PER_MINUTE, NOON + 60.5, 60),
        (Kind.TOKENS_PER_DAY, NOON, 43_200),
        (Kind.CONCURRENT_STREAMS, NOON, None),
    ],
)
def test_windows_are_those_of_the_clock(kind, now, seconds):
    assert stand([Counter("everything", kind, 1)], [0], now)[0].reset_seconds == seconds


def test_what_fits_exactly_fits():
    full = standing(Kind.TOKENS_PER_MINUTE, limit=100, used=60)
    assert exceeded(after([full], 40), 40) is None
    assert refused([full], 41).standing == full


def test_a_refused_request_may_come_again_when_the_window_ends():
    assert refused([standing(Kind.REQUESTS_PER_MINUTE, limit=1, used=1)], 0).retry_after_seconds == 45


def test_a_request_that_never_fits_need_not_come_again():
    assert refused([standing(Kind.TOKENS_PER_MINUTE, limit=100, used=0)], 101).retry_after_seconds is None


def test_the_longest_wait_is_told():
    minute, day = standing(Kind.TOKENS_PER_MINUTE, 10, 10), standing(Kind.TOKENS_PER_DAY, 10, 10)
    streams = standing(Kind.CONCURRENT_STREAMS, 1, 1)
    for order in ([minute, day, streams], [streams, day, minute]):
        answer = refused(order, 1)
        assert answer.standing == day
        assert answer.standings == tuple(order)
    assert (refused([streams], 1).retry_after_seconds, refused([minute], 1).retry_after_seconds) == (1, 45)


def test_a_limit_that_was_lowered_leaves_nothing():
    assert standing(Kind.TOKENS_PER_DAY, limit=10, used=25).remaining == 0
