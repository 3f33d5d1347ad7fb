"""Windows of the clock, and what does not fit."""

import pytest

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import Exceeded, Standing, stand, weigh, window_start

NOON = 1_795_521_600
"""2026-11-24 12:00 UTC."""


def standing(kind: Kind, limit: int, used: int) -> Standing:
    return stand([Counter("everything", kind, limit)], [used], NOON + 15.5)[0]


def weighed(standings: list[Standing], tokens: int) -> tuple[Standing, ...] | Exceeded:
    return weigh([each.counter for each in standings], [each.used for each in standings], tokens, NOON + 15.5)


def refused(standings: list[Standing], tokens: int) -> Exceeded:
    answer = weighed(standings, tokens)
    assert isinstance(answer, Exceeded)
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
    answer = weigh([Counter("everything", kind, 1) for kind in kinds], [0] * len(kinds), 1, now)
    assert [each.ends for each in answer] == [starts + seconds] * len(kinds)


def test_running_requests_have_no_window():
    assert standing(Kind.CONCURRENT_STREAMS, 1, 1).ends is None
    assert weighed([standing(Kind.CONCURRENT_STREAMS, 1, 0)], 0)[0].ends is None


def test_what_fits_exactly_fits():
    full = standing(Kind.TOKENS_PER_MINUTE, limit=100, used=60)
    assert weighed([full], 40)[0].remaining == 0
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
