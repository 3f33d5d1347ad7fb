"""
The tables of the SQLite ledger and what is done to them, each function in one transaction that fails at once where another process has one.

A counter is one row, whatever its window: a charge in a later window starts it anew. `began` names the charge with which the count began,
so that a settlement finds out whether it is still the one that it was charged to.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import (
    LEASE_SECONDS,
    Allowed,
    Entry,
    Exceeded,
    Receipt,
    Standing,
    weigh,
    window_start,
)

VERSION: Final = 1
"""`user_version` of the database; another one was made by another version of this program."""
_BEGIN: Final = "BEGIN IMMEDIATE"
"""Begins by taking the lock: a reader that wants to write later would have to begin anew."""
_COMMIT: Final = "COMMIT"
"""For what every request does: leaving a `with` would translate the statement anew each time."""
_SCHEMA: Final = f"""
CREATE TABLE counters (
    scope TEXT, kind TEXT, starts INTEGER, ends INTEGER, used INTEGER CHECK (used >= 0), began TEXT,
    PRIMARY KEY (scope, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (scope TEXT, id TEXT, until REAL, PRIMARY KEY (scope, id)) STRICT, WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""


def prepare(database: sqlite3.Connection) -> None:
    """Create the tables of a new database. Raises `sqlite3.DatabaseError` for one of another version."""
    with database:
        database.execute(_BEGIN)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"version {version} of its tables is not {VERSION}")


def charge(
    database: sqlite3.Connection, counters: Sequence[Counter], tokens: int, charge_id: str, now: float
) -> Allowed | Exceeded:
    """Count a request in all counters, or in none."""
    with database:
        database.execute(_BEGIN)
        found = _find(database, counters, now)
        after = weigh(counters, [used for used, _ in found], tokens, now)
        if isinstance(after, Exceeded):
            return after
        receipt = _count(database, after, [began or charge_id for _, began in found], tokens, charge_id)
        database.execute(_COMMIT)
    return Allowed(receipt, after)


def _find(database: sqlite3.Connection, counters: Sequence[Counter], now: float) -> list[tuple[int, str | None]]:
    """Return what is used of each counter, and the charge with which its count began, if it has begun in this window."""
    rows = {
        (scope, kind): (starts, used, began)
        for scope in {counter.scope for counter in counters}
        for kind, starts, used, began in database.execute(
            "SELECT kind, starts, used, began FROM counters WHERE scope = ?", (scope,)
        )
    }
    found: list[tuple[int, str | None]] = []
    for counter in counters:
        scope, kind = counter.scope, counter.kind
        if kind.window_seconds is None:
            found.append((_running(database, scope, now), None))
            continue
        starts, used, began = rows.get((scope, kind), (None, 0, None))
        found.append((used, began) if starts == window_start(kind.window_seconds, now) else (0, None))
    return found


def _running(database: sqlite3.Connection, scope: str, now: float) -> int:
    # A lease that ends later than one that begins now is from before the clock was set back.
    running = "SELECT count(*) FROM leases WHERE scope = ? AND until > ? AND until <= ?"
    count: int = database.execute(running, (scope, now, now + LEASE_SECONDS)).fetchone()[0]
    return count


def _count(
    database: sqlite3.Connection, after: Sequence[Standing], begun: Sequence[str], tokens: int, charge_id: str
) -> Receipt:
    """Write where the counters stand now, and return what was taken."""
    rows, counted, leased = [], [], []
    for each, began in zip(after, begun, strict=True):
        counter, ends, now = each.counter, each.ends, each.now
        kind = counter.kind
        if ends is None or kind.window_seconds is None:
            database.execute("INSERT INTO leases VALUES (?, ?, ?)", (counter.scope, charge_id, now + LEASE_SECONDS))
            leased.append(counter.scope)
            continue
        rows.append((counter.scope, kind.word, ends - kind.window_seconds, ends, each.used, began))
        if kind.counts_tokens:
            counted.append((counter, began))
    database.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?, ?)", rows)
    return Receipt(charge_id, tokens, tuple(counted), tuple(leased))


def settle(database: sqlite3.Connection, receipt: Receipt, tokens: int) -> None:
    """Correct what a request counts, and end its lease."""
    # In a later window, or after a reset, the count has begun with another charge: it owes us nothing.
    correct = "UPDATE counters SET used = max(0, used + ?) WHERE scope = ? AND kind = ? AND began = ?"
    spare = tokens - receipt.tokens
    changes: list[tuple[str, tuple[str | int, ...]]] = [
        (correct, (spare, counter.scope, counter.kind.word, began)) for counter, began in receipt.counted
    ]
    changes += [("DELETE FROM leases WHERE scope = ? AND id = ?", (scope, receipt.id)) for scope in receipt.leased]
    if len(changes) == 1:
        # One statement is a transaction by itself.
        database.execute(*changes[0])
    elif changes:
        with database:
            database.execute(_BEGIN)
            for statement, parameters in changes:
                database.execute(statement, parameters)
            database.execute(_COMMIT)


def renew(database: sqlite3.Connection, running: Sequence[Receipt], now: float) -> None:
    """Prolong leases, and delete what counts no more."""
    with database:
        database.execute(_BEGIN)
        database.executemany(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
            [(scope, receipt.id, now + LEASE_SECONDS) for receipt in running for scope in receipt.leased],
        )
        database.execute("DELETE FROM leases WHERE until <= ?", (now,))
        database.execute("DELETE FROM counters WHERE ends <= ?", (now,))


def show(database: sqlite3.Connection, now: float) -> tuple[Entry, ...]:
    """Return what is used now."""
    with database:
        database.execute(_BEGIN)
        counted = database.execute(
            "SELECT scope, kind, used, ends FROM counters WHERE starts <= ? AND ends > ? AND used > 0 ORDER BY scope, kind",
            (now, now),
        ).fetchall()
        running = database.execute(
            "SELECT scope, count(*) FROM leases WHERE until > ? AND until <= ? GROUP BY scope",
            (now, now + LEASE_SECONDS),
        ).fetchall()
    return (
        *(Entry(scope, Kind(kind), used, round(ends - now)) for scope, kind, used, ends in counted),
        *(Entry(scope, Kind.CONCURRENT_STREAMS, count, None) for scope, count in running),
    )


def reset(database: sqlite3.Connection, scope: str | None) -> None:
    """Set the counters of a scope, or all, to zero."""
    if scope is None:
        database.execute("DELETE FROM counters")
    else:
        database.execute("DELETE FROM counters WHERE scope = ?", (scope,))
