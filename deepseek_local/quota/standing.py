"""
Where counters stand, and whether a request still fits: all or nothing, whichever ledger counts.

A ledger finds out how much of each counter is used, lets `exceeded` decide, and counts the request in every counter or in none.
"""

import math
from collections.abc import Sequence

import msgspec

from deepseek_local.quota.limits import Counter, Kind

LEASE_SECONDS = 30
"""How long a running request counts after its process was last heard of."""


class Standing(msgspec.Struct, frozen=True):
    """A counter at one moment."""

    counter: Counter
    used: int
    reset_seconds: int | None
    """Whole seconds until its window ends, at least 1; None for running requests, which have none."""

    @property
    def remaining(self) -> int:
        """What is left; 0 also where a limit was lowered below what is used."""
        return max(0, self.counter.limit - self.used)


class Receipt(msgspec.Struct, frozen=True):
    """What a charge has taken, for its settlement."""

    id: str
    """Names the charge, and the lease of a running request; no two are alike."""
    tokens: int
    counted: tuple[tuple[Counter, str], ...]
    """The counters of tokens, each with the id of the charge with which its count began."""
    leased: tuple[str, ...]
    """The scopes in which the request counts as running."""


class Allowed(msgspec.Struct, frozen=True):
    """The request fits, and is counted everywhere."""

    receipt: Receipt
    standings: tuple[Standing, ...]
    """After the charge."""


class Exceeded(msgspec.Struct, frozen=True):
    """The request does not fit, and is counted nowhere."""

    standing: Standing
    """The counter for which it would have to wait longest."""
    amount: int
    """What it asks of that counter."""
    standings: tuple[Standing, ...]

    @property
    def retry_after_seconds(self) -> int | None:
        """When it may be asked again; None when it asks for more than the limit, and would be refused at any time."""
        if self.amount > self.standing.counter.limit:
            return None
        # A running request may end at any time.
        return self.standing.reset_seconds or 1


class Entry(msgspec.Struct, frozen=True):
    """A counter of which something is used now, as `quota show` lists it."""

    scope: str
    kind: Kind
    used: int
    resets_in_seconds: int | None
    """None for running requests."""


def stand(counters: Sequence[Counter], used: Sequence[int], now: float) -> tuple[Standing, ...]:
    """Return where counters stand of which so much is used at `now`, in seconds since 1970."""
    return tuple(
        Standing(counter, count, seconds and seconds - int(now) % seconds)
        for counter, count in zip(counters, used, strict=True)
        for seconds in (counter.kind.window_seconds,)
    )


def amount(kind: Kind, tokens: int) -> int:
    """Return what a request of so many tokens asks of a counter."""
    return tokens if kind.counts_tokens else 1


def exceeded(after: Sequence[Standing], tokens: int) -> Exceeded | None:
    """Return why a request of so many tokens does not fit, after which the counters would stand so; None when it does."""
    for each in after:
        if each.used > each.counter.limit:
            return _longest(tuple(_before(each, tokens) for each in after), tokens)
    return None


def _before(each: Standing, tokens: int) -> Standing:
    return Standing(each.counter, each.used - amount(each.counter.kind, tokens), each.reset_seconds)


def _longest(standings: tuple[Standing, ...], tokens: int) -> Exceeded:
    """Return the counter without room for which the request would have to wait longest."""
    refused = [
        Exceeded(standing, asked, standings)
        for standing in standings
        if standing.used + (asked := amount(standing.counter.kind, tokens)) > standing.counter.limit
    ]
    return max(refused, key=_wait)


def _wait(refused: Exceeded) -> float:
    seconds = refused.retry_after_seconds
    return math.inf if seconds is None else seconds
