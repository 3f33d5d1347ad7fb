"""A ledger, as the front door and the command line see it; which one counts, the profile says."""

from collections.abc import Sequence
from typing import Protocol

from deepseek_local.profile.front_door import LedgerKind
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota.limits import Counter
from deepseek_local.quota.standing import Allowed, Entry, Exceeded, Receipt


class Ledger(Protocol):
    """Counts what is used, for all processes that share it. Every method raises `QuotaError` when that is not certain."""

    async def charge(self, counters: Sequence[Counter], tokens: int, charge_id: str) -> Allowed | Exceeded:
        """Count a request of at most `tokens` tokens in all counters, or in none; its lease lasts `LEASE_SECONDS`."""

    def settle_now(self, receipt: Receipt, tokens: int) -> bool:
        """Do what `settle` does, if it needs no waiting; return whether it is done."""

    async def settle(self, receipt: Receipt, tokens: int) -> None:
        """Let a request count as the tokens that it used, where its window still runs, and no more as running."""

    async def renew(self, running: Sequence[Receipt]) -> None:
        """Let these requests count as running for another `LEASE_SECONDS`, and forget what counts no more."""

    async def show(self) -> tuple[Entry, ...]:
        """Return what is used now."""

    async def reset(self, scope: str | None) -> None:
        """Set the counters of a scope, or all, to zero; running requests go on counting as running."""

    async def close(self) -> None:
        """Give back what is open."""


def of(settings: LedgerSettings) -> Ledger:
    """Return the ledger that the settings name; nothing is opened before it is used."""
    # Either library is loaded only where it is used: this runs in every process of the engine that serves requests.
    if settings.kind is LedgerKind.REDIS:
        from deepseek_local.quota.redis import RedisLedger  # noqa: PLC0415 -- see above

        return RedisLedger(settings)
    from deepseek_local.quota.sqlite import SQLiteLedger  # noqa: PLC0415 -- see above

    return SQLiteLedger(settings.file, settings.timeout_seconds)
