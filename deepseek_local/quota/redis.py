"""
The ledger of several hosts: a Redis server (7 or newer), reached with redis-py's asyncio client.

Redis has the clock, because those of several hosts differ. A failed call is never made again by itself: whether it was counted before the
connection broke nobody knows. What a server that stalled finds late it does not count: each charge says until when it is wanted, in the
time of Redis, as far as the last answer told how far that is from ours. The pool gives out only connections that are still alive, so a restart of Redis needs none of ours; what
Redis forgets by it may be used anew, and running requests are counted again at the next renewal.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deepseek_local.errors import QuotaError
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota import redis_client, scripts
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import (
    LEASE_SECONDS,
    Allowed,
    Entry,
    Exceeded,
    Receipt,
    amount,
    exceeded,
    stand,
)

PREFIX: Final = "{deepseek-local}:quota:"
"""How all our keys begin; by what stands in braces a cluster decides where it keeps them."""
_CONNECTIONS: Final = 16
"""How many calls of one process are under way at most; further ones wait for their turn."""


class RedisLedger:
    """Counts in a Redis server, to which it connects when it is first used."""

    def __init__(self, settings: LedgerSettings, clock: Callable[[], float] | None = None) -> None:
        """Note where the server is; it has the time, unless a `clock` is given, which then every user of the server must have."""
        self._settings = settings
        self._clock = clock
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._client: Redis | None = None
        self._ahead_seconds: float | None = None
        """How far the clock of Redis is ahead of our monotonic one; None before the first answer."""

    async def charge(self, counters: Sequence[Counter], tokens: int, charge_id: str) -> Allowed | Exceeded:
        """Count a request in all counters, or in none. Raises `QuotaError`."""
        arguments: list[str | int] = [self._now(), charge_id, LEASE_SECONDS, self._latest()]
        for counter in counters:
            arguments += (counter.kind.window_seconds or 0, amount(counter.kind, tokens), counter.limit)
        keys = [_key(counter.scope, counter.kind) for counter in counters]
        asked = time.monotonic()
        now, *counts = await self._run(scripts.CHARGE, keys, arguments)
        # Measured from the question on: too late a time may count what is refused, too early a one would refuse what is in time.
        self._ahead_seconds = float(now) - asked
        if not counts:
            raise QuotaError(
                f"the quota ledger {self._settings.url} counted nothing, because it was too late; "
                "look at the load and the clock of the Redis server"
            )
        used, begun = counts
        after = stand(
            counters,
            [count + amount(each.kind, tokens) for each, count in zip(counters, used, strict=True)],
            float(now),
        )
        # The script has asked the same question of the same numbers.
        if (refused := exceeded(after, tokens)) is not None:
            return refused
        counted = tuple(pair for pair in zip(counters, begun, strict=True) if pair[0].kind.counts_tokens)
        leased = tuple(counter.scope for counter in counters if counter.kind.window_seconds is None)
        return Allowed(Receipt(charge_id, tokens, counted, leased), after)

    def settle_now(self, receipt: Receipt, tokens: int) -> bool:  # noqa: ARG002 -- the ledger's
        """Return that it is not done: a server is always waited for."""
        return False

    async def settle(self, receipt: Receipt, tokens: int) -> None:
        """Correct what a request counts, and end its lease. Raises `QuotaError`."""
        keys = [_key(counter.scope, counter.kind) for counter, _ in receipt.counted] + _leases(receipt)
        begun = [began for _, began in receipt.counted]
        await self._run(scripts.SETTLE, keys, [receipt.id, tokens - receipt.tokens, len(begun), *begun])

    async def renew(self, running: Sequence[Receipt]) -> None:
        """Prolong leases; what counts no more, Redis forgets by itself. Raises `QuotaError`."""
        leases = [(key, receipt.id) for receipt in running for key in _leases(receipt)]
        if leases:
            keys, ids = zip(*leases, strict=True)
            await self._run(scripts.RENEW, keys, [self._now(), LEASE_SECONDS, *ids])

    async def show(self) -> tuple[Entry, ...]:
        """Return what is used now. Raises `QuotaError`."""
        counters = await self._counters()
        if not counters:
            return ()
        seconds = [counter.kind.window_seconds or 0 for counter in counters]
        keys = [_key(counter.scope, counter.kind) for counter in counters]
        now, used = await self._run(scripts.SHOW, keys, [self._now(), LEASE_SECONDS, *seconds])
        return tuple(
            Entry(each.counter.scope, each.counter.kind, each.used, each.reset_seconds)
            for each in stand(counters, used, float(now))
            if each.used
        )

    async def reset(self, scope: str | None) -> None:
        """Set counters to zero. Raises `QuotaError`."""
        counters = await self._counters()
        chosen = [each for each in counters if each.kind.window_seconds is not None and scope in (None, each.scope)]
        if chosen:
            await self._within_time(lambda client: client.delete(*(_key(each.scope, each.kind) for each in chosen)))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        return await self._within_time(lambda client: client.register_script(script)(keys, arguments))

    async def _counters(self) -> list[Counter]:
        async def scan(client: Redis) -> list[str]:
            return sorted([key async for key in client.scan_iter(match=f"{PREFIX}*", count=1000)])

        found: list[str] = await self._within_time(scan)
        return [counter for key in found if (counter := _counter(key)) is not None]

    async def _within_time(self, call: Callable[[Redis], Any]) -> Any:
        """Make one call. Raises `QuotaError` when it fails or takes too long."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds), self._turns:
                if self._client is None:
                    self._client = redis_client.connect(self._settings)
                return await call(self._client)
        except (RedisError, OSError) as error:
            if redis_client.is_refusal(error):
                await (
                    self.close()
                )  # the next call reads the password anew, and finds a primary to which the address has moved
            raise QuotaError(redis_client.unusable(self._settings, error)) from error

    def _latest(self) -> str:
        """Return until when a charge is wanted, in the time of Redis; empty before that is known, and under the clock of a test."""
        if self._ahead_seconds is None or self._clock is not None:
            return ""
        return f"{time.monotonic() + self._ahead_seconds + self._settings.timeout_seconds:.6f}"

    def _now(self) -> str:
        """Return the time of the test; empty for that of Redis."""
        return f"{self._clock():.6f}" if self._clock else ""


def _key(scope: str, kind: Kind) -> str:
    return f"{PREFIX}{kind.value}:{scope}"


def _leases(receipt: Receipt) -> list[str]:
    return [_key(scope, Kind.CONCURRENT_STREAMS) for scope in receipt.leased]


def _counter(key: str) -> Counter | None:
    """Return the counter of a key; None for one that another version of this program has made."""
    kind, _, scope = key.removeprefix(PREFIX).partition(":")
    return Counter(scope, Kind(kind), 0) if kind in set(Kind) else None
