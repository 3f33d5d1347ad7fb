"""
Quotas on the way of a request: charged before the engine sees it, settled when its answer has ended.

Only what makes the engine compute is charged: the action `execute`. Without a ledger that answers, such a request is refused. Once it runs,
nothing that happens to the ledger harms it: what cannot be settled stays counted as reserved until its window ends.
"""

import asyncio
import itertools
import logging
import os
from typing import Final

import msgspec

from deepseek_local.access import Access, Principal, Verdict
from deepseek_local.errors import QuotaError
from deepseek_local.gateway import metrics, rate_limits
from deepseek_local.gateway.refusal import RefusedError
from deepseek_local.profile.handover import GatewaySettings
from deepseek_local.quota import ledger, limits, tokens
from deepseek_local.quota.standing import LEASE_SECONDS, Exceeded, Receipt

_log = logging.getLogger(__name__)

CHARGED_ACTION: Final = "execute"
RENEWAL_SECONDS: Final = LEASE_SECONDS / 3
"""How often running requests are renewed, so that one failure does not end their lease."""

_NOTHING: Final = tokens.Reservation(0, 0)


class Charge(msgspec.Struct, frozen=True):
    """What one request was charged; it must be settled whatever becomes of the request."""

    headers: rate_limits.Pairs = ()
    """What the client is told about its quotas, for the head of the answer."""
    receipt: Receipt | None = None
    """None where no quota applies."""
    reservation: tokens.Reservation = _NOTHING


_FREE: Final = Charge()


class Meter:
    """The quotas of one API server process; without any, it costs nothing and opens nothing."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._counters = limits.Counters(limits.rules(settings.quotas))
        self._maximum_model_tokens = settings.max_model_len
        self._ledger = ledger.of(settings.ledger) if settings.quotas else None
        self._process = os.urandom(8).hex()
        self._numbers = itertools.count(1)
        self._running: dict[str, Receipt] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._heart: asyncio.Task[None] | None = None
        self._is_silent = False

    async def charge(
        self, principal: Principal, access: Access, verdict: Verdict, model: str | None, demand: tokens.Demand
    ) -> Charge:
        """Count a request. Raises `RefusedError` when a quota has no room for it, or nobody can know."""
        if self._ledger is None or access.action != CHARGED_ACTION:
            return _FREE
        counters = self._counters.of(limits.Asker(principal.name, verdict.roles, verdict.tenant, model))
        if not counters:
            return _FREE
        reservation = tokens.reserve(demand, self._maximum_model_tokens)
        if self._heart is None:
            self._heart = asyncio.create_task(self._renew_forever(self._ledger))
        name = f"{self._process}-{next(self._numbers)}"
        try:
            answer = await self._ledger.charge(counters, reservation.total, name)
        except QuotaError as error:
            self._failed(error)
            raise RefusedError(rate_limits.NO_LEDGER) from error
        self._answered()
        if isinstance(answer, Exceeded):
            metrics.quota_refused(answer.standing.counter.kind)
            raise RefusedError(rate_limits.refusal(answer))
        metrics.quota_used("requests")
        self._running[answer.receipt.id] = answer.receipt
        return Charge(rate_limits.headers(answer.standings), answer.receipt, reservation)

    def settle(
        self, charge: Charge, tokens_in: int | None, tokens_out: int | None, chunks: int
    ) -> "asyncio.Task[None] | None":
        """
        Let a request count as what it used, once; what is still to be done is a task that never fails, and need not be waited for.

        None stands for what the engine did not tell; a request that it never saw used 0 and 0.
        """
        receipt = charge.receipt
        if self._ledger is None or receipt is None or self._running.pop(receipt.id, None) is None:
            return None
        used = charge.reservation.used(tokens_in, tokens_out, chunks)
        metrics.quota_used("tokens", used)
        try:
            if self._ledger.settle_now(receipt, used):
                self._answered()
                return None
        except QuotaError as error:
            self._lost(receipt, error)
            return None
        task = asyncio.create_task(self._settle(self._ledger, receipt, used))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def close(self) -> None:
        """Wait for settlements that are under way, and close the ledger."""
        if self._heart is not None:
            self._heart.cancel()
        await asyncio.gather(*self._settling)
        if self._ledger is not None:
            await self._ledger.close()

    async def _settle(self, book: ledger.Ledger, receipt: Receipt, used: int) -> None:
        try:
            await book.settle(receipt, used)
        except QuotaError as error:
            self._lost(receipt, error)
        else:
            self._answered()

    async def _renew_forever(self, book: ledger.Ledger) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                await book.renew(tuple(self._running.values()))
            except QuotaError as error:
                self._failed(error)
                _log.debug("running requests could not be renewed: %s", error)
            else:
                self._answered()

    def _lost(self, receipt: Receipt, error: QuotaError) -> None:
        self._failed(error)
        _log.debug("a request stays counted with its %d reserved tokens: %s", receipt.tokens, error)

    def _failed(self, error: QuotaError) -> None:
        """Log that the ledger stopped answering, once."""
        if not self._is_silent:
            self._is_silent = True
            _log.error("requests under a quota are refused with 503 until they can be counted: %s", error)

    def _answered(self) -> None:
        """Log that the ledger answers again, once."""
        if self._is_silent:
            self._is_silent = False
            # As loud as what it ends: vLLM leaves our loggers at the level of warnings.
            _log.warning("quotas can be counted again")
