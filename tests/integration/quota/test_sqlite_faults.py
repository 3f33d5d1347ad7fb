"""An SQLite ledger that is damaged, locked, replaced or not to be written."""

import asyncio
import sqlite3
import stat
from contextlib import closing

import pytest

from deepseek_local.errors import QuotaError
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.sqlite import SQLiteLedger
from deepseek_local.quota.standing import Allowed, Exceeded

pytestmark = pytest.mark.integration

ONE = [Counter("everything", Kind.REQUESTS_PER_MINUTE, 1)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "quota.db"


def play(file, story, timeout_seconds: float = 5.0) -> None:
    async def main() -> None:
        ledger = SQLiteLedger(file, timeout_seconds, lambda: 1_795_521_600.0)
        try:
            await story(ledger)
        finally:
            await ledger.close()

    asyncio.run(main())


def test_only_the_owner_may_read_what_was_used(file):
    async def story(ledger):
        await ledger.charge(ONE, 0, "a")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
        assert modes == dict.fromkeys(["quota.db", "quota.db-wal", "quota.db-shm"], 0o600)

    play(file, story)


def test_looking_creates_no_file(file):
    async def story(ledger):
        assert await ledger.show() == ()
        await ledger.reset(None)
        assert not file.exists()

    play(file, story)


def test_a_damaged_file_refuses_until_it_is_removed(file):
    async def story(ledger):
        file.write_bytes(b"no database" * 1000)
        with pytest.raises(QuotaError, match=r"quota\.db cannot be used .*; free space there, or remove it"):
            await ledger.charge(ONE, 0, "a")
        file.unlink()
        assert isinstance(await ledger.charge(ONE, 0, "a"), Allowed)

    play(file, story)


def test_a_file_of_another_version_is_refused(file):
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 7")

    async def story(ledger):
        with pytest.raises(QuotaError, match="version 7 of its tables is not 1"):
            await ledger.charge(ONE, 0, "a")

    play(file, story)


def test_a_directory_that_is_not_there_refuses(file):
    async def story(ledger):
        with pytest.raises(QuotaError, match="cannot be used"):
            await ledger.charge(ONE, 0, "a")

    play(file.parent / "gone" / "quota.db", story)


def test_a_lock_is_awaited_without_holding_up_the_event_loop(file):
    async def story(ledger):
        await ledger.charge([Counter("role=x", Kind.TOKENS_PER_DAY, 9)], 0, "first")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(ledger.charge(ONE, 0, "a"))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            other.execute("COMMIT")
            assert isinstance(await waiting, Allowed)

    play(file, story)


def test_a_lock_that_is_kept_refuses_in_the_end(file):
    async def story(ledger):
        await ledger.charge([Counter("role=x", Kind.TOKENS_PER_DAY, 9)], 0, "first")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(QuotaError, match=r"was locked for more than 0\.05 s; see which process holds it"):
                await ledger.charge(ONE, 0, "a")
            other.execute("COMMIT")
        assert isinstance(await ledger.charge(ONE, 0, "a"), Allowed)

    play(file, story, timeout_seconds=0.05)


def test_a_settlement_waits_for_a_lock_and_counts_exactly(file):
    tokens = Counter("everything", Kind.TOKENS_PER_DAY, 1000)

    async def story(ledger):
        answer = await ledger.charge([tokens], 700, "a")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert not ledger.settle_now(answer.receipt, 300)
            waiting = asyncio.create_task(ledger.settle(answer.receipt, 300))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            other.execute("UPDATE counters SET used = used + 40")
            other.execute("COMMIT")
        await waiting
        assert [entry.used for entry in await ledger.show()] == [340]

    play(file, story)


def test_a_charge_that_fails_half_way_counts_nothing_and_leaves_no_lock(file):
    every = [*ONE, Counter("everything", Kind.TOKENS_PER_DAY, 2**80), Counter("everything", Kind.CONCURRENT_STREAMS, 1)]

    async def story(ledger):
        with pytest.raises(OverflowError):
            await ledger.charge(every, 2**70, "a")
        with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        assert await ledger.show() == ()
        assert isinstance(await ledger.charge(every, 1, "b"), Allowed)

    play(file, story)


def test_a_file_that_was_replaced_is_found_at_the_next_renewal(file):
    async def story(ledger):
        await ledger.charge(ONE, 0, "a")
        for path in list(file.parent.iterdir()):
            path.unlink()
        assert isinstance(await ledger.charge(ONE, 0, "b"), Exceeded)
        await ledger.renew([])
        assert isinstance(await ledger.charge(ONE, 0, "b"), Allowed)
        assert file.exists()

    play(file, story)


def test_what_counts_no_more_is_deleted_at_a_renewal(file):
    async def story(ledger):
        await ledger.charge([*ONE, Counter("everything", Kind.CONCURRENT_STREAMS, 1)], 0, "a")
        late = SQLiteLedger(file, 5.0, lambda: 1_795_521_660.0)
        await late.renew([])
        await late.close()
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT count(*) FROM counters").fetchone() == (0,)
            assert database.execute("SELECT count(*) FROM leases").fetchone() == (0,)

    play(file, story)
