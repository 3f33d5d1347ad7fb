"""
The ledger of one host: an SQLite database in the runtime directory, which its API server processes share.

A charge is one transaction of some tens of microseconds, so it runs in the event loop itself. SQLite is told never to wait for a lock:
when another process has it, the coroutine waits, and the loop goes on.

The journal is a write-ahead log, in which a commit is one append, and `synchronous=OFF` leaves out the waits for the disk (sqlite.org/wal.html,
sqlite.org/pragma.html#pragma_synchronous). A killed process loses nothing by that: what it has written is the kernel's. A power cut
may tear the database, but the runtime directory that systemd makes is memory, and its counts do not outlive the host anyway.
"""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from deepseek_local.errors import QuotaError
from deepseek_local.quota import tables
from deepseek_local.quota.limits import Counter
from deepseek_local.quota.standing import Allowed, Entry, Exceeded, Receipt

Result = TypeVar("Result")

_EAGER_ATTEMPTS: Final = 20
"""How often a lock is tried anew at the next turn of the event loop, before waiting between attempts."""
_LONGEST_PAUSE_SECONDS: Final = 0.004


class SQLiteLedger:
    """Counts in a database file, which is created when it is first used."""

    def __init__(self, file: Path, timeout_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    async def charge(self, counters: Sequence[Counter], tokens: int, charge_id: str) -> Allowed | Exceeded:
        """Count a request in all counters, or in none. Raises `QuotaError`."""
        return await self._insist(lambda database: tables.charge(database, counters, tokens, charge_id, self._clock()))

    def settle_now(self, receipt: Receipt, tokens: int) -> bool:
        """Correct what a request counts, and end its lease, unless the database is locked. Raises `QuotaError`."""
        try:
            self._attempt(lambda database: tables.settle(database, receipt, tokens))
        except _LockedError:
            return False
        return True

    async def settle(self, receipt: Receipt, tokens: int) -> None:
        """Do so as soon as the lock can be had. Raises `QuotaError`."""
        await self._insist(lambda database: tables.settle(database, receipt, tokens))

    async def renew(self, running: Sequence[Receipt]) -> None:
        """Prolong leases, and delete what counts no more. Raises `QuotaError`."""
        if self._connection is not None and _inode(self._file) != self._inode:
            # Somebody replaced a damaged file: the others would go on without us.
            self._close()
        await self._insist(lambda database: tables.renew(database, running, self._clock()))

    async def show(self) -> tuple[Entry, ...]:
        """Return what is used now; nothing where nothing was counted yet. Raises `QuotaError`."""
        if not self._file.exists():
            return ()
        return await self._insist(lambda database: tables.show(database, self._clock()))

    async def reset(self, scope: str | None) -> None:
        """Set counters to zero. Raises `QuotaError`."""
        if self._file.exists():
            await self._insist(lambda database: tables.reset(database, scope))

    async def close(self) -> None:
        """Close the database."""
        self._close()

    async def _insist(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work` as soon as the lock of the database can be had. Raises `QuotaError`."""
        deadline: float | None = None
        attempts = 0
        while True:
            try:
                return self._attempt(work)
            except _LockedError as error:
                deadline = deadline or time.monotonic() + self._timeout_seconds
                if time.monotonic() > deadline:
                    raise QuotaError(_locked(self._file, self._timeout_seconds)) from error
            attempts += 1
            await asyncio.sleep(_pause_seconds(attempts))

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work`, which begins with taking the lock. Raises `_LockedError` if another process has it, and `QuotaError`."""
        try:
            if self._connection is None:
                self._connection = _open(self._file)
                self._inode = _inode(self._file)
            return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            if _is_busy(error):
                raise _LockedError from error
            self._close()
            raise QuotaError(_unusable(self._file, error)) from error

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # a damaged one is given up
                connection.close()


class _LockedError(Exception):
    """Another process has the lock of the database."""


def _open(file: Path) -> sqlite3.Connection:
    # SQLite gives the files beside it the mode of the database. Only a new one is opened here: closing a database behind SQLite's back
    # would drop the locks of this process on it (sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        # Every commit writes whole pages, and a row here has 100 bytes.
        database.execute("PRAGMA page_size = 1024")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        tables.prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except OSError:
        return 0


def _is_busy(error: Exception) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _pause_seconds(attempt: int) -> float:
    """Let the event loop turn at first, then wait, each process for another time."""
    return 0 if attempt <= _EAGER_ATTEMPTS else random.uniform(0.0005, _LONGEST_PAUSE_SECONDS)  # noqa: S311 -- spread, not secrecy


def _unusable(file: Path, error: Exception) -> str:
    return (
        f"the quota ledger {file} cannot be used ({error}); free space there, or remove it with the files "
        f"{file.name}-wal and {file.name}-shm: a new one begins at zero"
    )


def _locked(file: Path, timeout_seconds: float) -> str:
    return (
        f"the quota ledger {file} was locked for more than {timeout_seconds:g} s; "
        f"see which process holds it with: fuser {file}"
    )
