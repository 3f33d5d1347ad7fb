"""
A process that uses a quota ledger, for tests with several of them.

    python quota_user.py SETTINGS NOW LIMIT ATTEMPTS    charge so often, print how often it was allowed
    python quota_user.py SETTINGS NOW LIMIT hold        take a lease, print a line, and keep it
"""

import asyncio
import os
import sys

from deepseek_local.profile.front_door import LedgerKind
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota.ledger import Ledger
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.redis import RedisLedger
from deepseek_local.quota.sqlite import SQLiteLedger
from deepseek_local.quota.standing import Allowed


def ledger_at(settings: LedgerSettings, clock) -> Ledger:
    if settings.kind is LedgerKind.REDIS:
        return RedisLedger(settings, clock)
    return SQLiteLedger(settings.file, settings.timeout_seconds, clock)


async def attempt(ledger: Ledger, limit: int, attempts: int) -> int:
    counters = [
        Counter("everything", Kind.REQUESTS_PER_MINUTE, limit),
        Counter("everything", Kind.TOKENS_PER_DAY, 10**9),
    ]
    allowed = 0
    for number in range(attempts):
        answer = await ledger.charge(counters, 7, f"{os.getpid()}-{number}")
        if isinstance(answer, Allowed):
            allowed += 1
            if not ledger.settle_now(answer.receipt, 3):
                await ledger.settle(answer.receipt, 3)
    return allowed


async def hold(ledger: Ledger, limit: int) -> None:
    answer = await ledger.charge([Counter("everything", Kind.CONCURRENT_STREAMS, limit)], 0, f"{os.getpid()}")
    print(type(answer).__name__, flush=True)
    await asyncio.Event().wait()


async def main(settings: str, now: str, limit: str, task: str) -> None:
    ledger = ledger_at(LedgerSettings.model_validate_json(settings), lambda: float(now))
    if task == "hold":
        await hold(ledger, int(limit))
    print(await attempt(ledger, int(limit), int(task)))
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
