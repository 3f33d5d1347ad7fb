"""Windows of the clock, and what does not fit."""

import pytest

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import Exceeded, Standing, amount, exceeded, stand, window_start

NOON = 1_795_521_600
"""2026-11-24 12:00 UTC."""


def standing(kind: Kind, limit: int, used: int) -> Standing:
    return stand([Counter("everything", kind, limit)], [used], NOON + 15.5)[0]


def after(standings: list[Standing], tokens: int) -> list[Standing]:
    return [
        Standing(each.counter, each.used + amount(each.counter.kind, tokens), each.ends, each.now) for each in standings
    ]


def refused(standings: list[Standing], tokens: int) -> Exceeded:
    answer = exceeded(after(standings, tokens), tokens)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("seconds", "now", "starts"),
    [
        (60, NOON + 59.999, NOON),
        (60, NOON + 60, NOON + 60),
        (86_400, NOON, NOON - 43_200),
    ],
)
def test_windows_are_those_of_the_clock(seconds, now, starts):
    assert window_start(seconds, now) == starts
    kinds = [kind for kind in Kind if kind.window_seconds == seconds]
    standings = stand([Counter("everything", kind, 1) for kind in kinds], [0] * len(kinds), now)
    assert [each.ends for each in standings] == [starts + seconds] * len(kinds)


def test_running_requests_have_no_window():
    assert standing(Kind.CONCURRENT_STREAMS, 1, 1).ends is None


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
    assert (streams.reset_seconds, minute.reset_seconds) == (1, 45)


def test_a_limit_that_was_lowered_leaves_nothing():
    assert standing(Kind.TOKENS_PER_DAY, limit=10, used=25).remaining == 0
