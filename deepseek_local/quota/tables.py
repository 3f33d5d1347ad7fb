"""
The tables of the SQLite ledger and what is done to them, each function in one transaction that fails at once where another process has one.

A counter is one row, whatever its window: a charge in a later window starts it anew. `began` names the charge with which the count began,
so that a settlement finds out whether it is still the one that it was charged to.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import LEASE_SECONDS, Allowed, Entry, Exceeded, Receipt, Standing, exceeded

VERSION: Final = 1
"""`user_version` of the database; another one was made by another version of this program."""
_BEGIN: Final = "BEGIN IMMEDIATE"
"""Begins by taking the lock: a reader that wants to write later would have to begin anew."""
_COMMIT: Final = "COMMIT"
"""For what every request does: leaving a `with` would translate the statement anew each time."""
_FIND: Final = "SELECT used, began FROM counters WHERE scope = ? AND kind = ? AND starts = ?"
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
    second, after, rows, counted, leased = int(now), [], [], [], []
    cursor = database.cursor()  # otherwise each statement makes one
    with database:
        cursor.execute(_BEGIN)
        for counter in counters:
            scope, kind = counter.scope, counter.kind
            length = kind.window_seconds
            if length is None:
                used, left_seconds = _running(cursor, scope, now) + 1, None
                leased.append((scope, charge_id, now + LEASE_SECONDS))
            else:
                left_seconds = length - second % length
                ends = second + left_seconds
                starts = ends - length
                count, began = cursor.execute(_FIND, (scope, kind.word, starts)).fetchone() or (0, charge_id)
                used = count + (tokens if kind.counts_tokens else 1)
                rows.append((scope, kind.word, starts, ends, used, began))
                if kind.counts_tokens:
                    counted.append((counter, began))
            after.append(Standing(counter, used, left_seconds))
        refused = exceeded(after, tokens)
        if refused is not None:
            return refused
        cursor.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?, ?)", rows)
        if leased:
            cursor.executemany("INSERT INTO leases VALUES (?, ?, ?)", leased)
        cursor.execute(_COMMIT)
    return Allowed(Receipt(charge_id, tokens, tuple(counted), tuple([scope for scope, _, _ in leased])), tuple(after))


def _running(cursor: sqlite3.Cursor, scope: str, now: float) -> int:
    # A lease that ends later than one that begins now is from before the clock was set back.
    statement = "SELECT count(*) FROM leases WHERE scope = ? AND until > ? AND until <= ?"
    count: int = cursor.execute(statement, (scope, now, now + LEASE_SECONDS)).fetchone()[0]
    return count


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
