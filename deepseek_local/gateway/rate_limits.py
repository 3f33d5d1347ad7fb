"""
What a client hears about quotas: how much is left, in OpenAI's headers, and why a request was one too many.

OpenAI's API reports per family, requests and tokens: `x-ratelimit-limit-*`, `-remaining-*` and `-reset-*`, the last as `1s` or `6m0s`; its
error has the family as `type` and `rate_limit_exceeded` as `code`. Of several counters of a family, the one with the least left is told.
Its Python client waits as `Retry-After` says, and does not ask again after `x-should-retry: false`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from deepseek_local.gateway.refusal import Refusal
from deepseek_local.quota.limits import Kind
from deepseek_local.quota.standing import Exceeded, Standing

Pairs = tuple[tuple[bytes, bytes], ...]

OVER_REQUESTS: Final = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_exceeded", "requests", "Too many requests; ask again later."
)
OVER_TOKENS: Final = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_exceeded", "tokens", "Too many tokens; ask again later, or for fewer."
)
NO_LEDGER: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "no_ledger",
    "service_unavailable",
    "Quotas cannot be counted now; ask again soon.",
    5,
)

_REQUESTS: Final = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_TOKENS: Final = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")
_WORDS: Final = {
    Kind.REQUESTS_PER_MINUTE: "requests in a minute",
    Kind.TOKENS_PER_MINUTE: "tokens in a minute",
    Kind.TOKENS_PER_DAY: "tokens in a day",
    Kind.CONCURRENT_STREAMS: "requests at the same time",
}


def headers(standings: Sequence[Standing]) -> Pairs:
    """Return what is left, as headers; nothing about a family that has no limit."""
    requests = tokens = None
    for each in standings:
        if each.reset_seconds is None:
            continue
        if each.counter.kind.counts_tokens:
            if tokens is None or each.remaining < tokens.remaining:
                tokens = each
        elif requests is None or each.remaining < requests.remaining:
            requests = each
    return _pairs(_REQUESTS, requests) + _pairs(_TOKENS, tokens)


def refusal(exceeded: Exceeded) -> Refusal:
    """Return the answer to a request that does not fit."""
    counter, wait = exceeded.standing.counter, exceeded.retry_after_seconds
    over = OVER_TOKENS if counter.kind.counts_tokens else OVER_REQUESTS
    limit = f"{counter.limit} {_WORDS[counter.kind]} for {counter.scope}"
    told = headers(exceeded.standings)
    if wait is None:
        why = f"it may use {exceeded.amount} tokens, and there are never more than {limit}: lower its max_tokens"
        return _with(over.because(why), None, (*told, (b"x-should-retry", b"false")))
    return _with(over.because(f"{exceeded.standing.used} of {limit} are used"), wait, told)


def duration(seconds: int) -> str:
    """Write seconds as OpenAI does: `59s`, `6m0s`, `23h59m0s`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


@lru_cache
def _duration(seconds: int) -> bytes:
    """Write seconds as a header has them; within a second, requests ask for the same few again and again."""
    return duration(seconds).encode("ascii")


def _pairs(names: tuple[bytes, bytes, bytes], standing: Standing | None) -> Pairs:
    if standing is None or standing.reset_seconds is None:
        return ()
    limit, remaining, reset = names
    return (
        (limit, b"%d" % standing.counter.limit),
        (remaining, b"%d" % standing.remaining),
        (reset, _duration(standing.reset_seconds)),
    )


def _with(refused: Refusal, wait: int | None, pairs: Pairs) -> Refusal:
    return replace(refused, retry_after_seconds=wait, headers=pairs)
