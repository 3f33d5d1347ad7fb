"""
The tables of the SQLite ledger and what is done to them, each function inside a transaction of its caller.

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
    charged,
    exceeded,
    window,
)

VERSION: Final = 1
"""`user_version` of the database; another one was made by another version of this program."""
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
    database.execute("BEGIN IMMEDIATE")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"version {version} of its tables is not {VERSION}")
    database.execute("COMMIT")


def charge(
    database: sqlite3.Connection, counters: Sequence[Counter], tokens: int, charge_id: str, now: float
) -> Allowed | Exceeded:
    """Count a request in all counters, or in none."""
    found = [_stand(database, counter, now) for counter in counters]
    standings = [standing for standing, _ in found]
    if (refused := exceeded(standings, tokens)) is not None:
        return refused
    after = charged(standings, tokens)
    begun = [(standing, began or charge_id) for standing, (_, began) in zip(after, found, strict=True)]
    _write(database, begun)
    leased = tuple(each.counter.scope for each in after if each.ends is None)
    for scope in leased:
        database.execute("INSERT INTO leases VALUES (?, ?, ?)", (scope, charge_id, now + LEASE_SECONDS))
    counted = tuple((each.counter, began) for each, began in begun if each.counter.kind.counts_tokens)
    return Allowed(Receipt(charge_id, tokens, counted, leased), after)


def _stand(database: sqlite3.Connection, counter: Counter, now: float) -> tuple[Standing, str | None]:
    """Return where a counter stands, and the charge with which its count began, if it has begun in this window."""
    running = window(counter.kind, now)
    if running is None:
        found = database.execute(
            # A lease that ends later than one that begins now is from before the clock was set back.
            "SELECT count(*) FROM leases WHERE scope = ? AND until > ? AND until <= ?",
            (counter.scope, now, now + LEASE_SECONDS),
        )
        return Standing(counter, found.fetchone()[0], None, now), None
    starts, ends = running
    row = database.execute(
        "SELECT used, began FROM counters WHERE scope = ? AND kind = ? AND starts = ?",
        (counter.scope, counter.kind.value, starts),
    ).fetchone()
    used, began = row or (0, None)
    return Standing(counter, used, ends, now), began


def _write(database: sqlite3.Connection, begun: Sequence[tuple[Standing, str]]) -> None:
    rows = [
        # The value of the kind: SQLite takes a while to find out that an enumeration is a text.
        (each.counter.scope, kind.value, each.ends - kind.window_seconds, each.ends, each.used, began)
        for each, began in begun
        if each.ends is not None and (kind := each.counter.kind).window_seconds is not None
    ]
    database.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?, ?)", rows)


def settle(database: sqlite3.Connection, receipt: Receipt, tokens: int) -> None:
    """Correct what a request counts, and end its lease."""
    for counter, began in receipt.counted:
        # In a later window, or after a reset, the count has begun with another charge: it owes us nothing.
        database.execute(
            "UPDATE counters SET used = max(0, used + ?) WHERE scope = ? AND kind = ? AND began = ?",
            (tokens - receipt.tokens, counter.scope, counter.kind.value, began),
        )
    for scope in receipt.leased:
        database.execute("DELETE FROM leases WHERE scope = ? AND id = ?", (scope, receipt.id))


def renew(database: sqlite3.Connection, running: Sequence[Receipt], now: float) -> None:
    """Prolong leases, and delete what counts no more."""
    database.executemany(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
        [(scope, receipt.id, now + LEASE_SECONDS) for receipt in running for scope in receipt.leased],
    )
    database.execute("DELETE FROM leases WHERE until <= ?", (now,))
    database.execute("DELETE FROM counters WHERE ends <= ?", (now,))


def show(database: sqlite3.Connection, now: float) -> tuple[Entry, ...]:
    """Return what is used now."""
    counted = database.execute(
        "SELECT scope, kind, used, ends FROM counters WHERE starts <= ? AND ends > ? AND used > 0 ORDER BY scope, kind",
        (now, now),
    )
    running = database.execute(
        "SELECT scope, count(*) FROM leases WHERE until > ? AND until <= ? GROUP BY scope", (now, now + LEASE_SECONDS)
    )
    return (
        *(Entry(scope, Kind(kind), used, round(ends - now)) for scope, kind, used, ends in counted.fetchall()),
        *(Entry(scope, Kind.CONCURRENT_STREAMS, count, None) for scope, count in running.fetchall()),
    )


def reset(database: sqlite3.Connection, scope: str | None) -> None:
    """Set the counters of a scope, or all, to zero."""
    if scope is None:
        database.execute("DELETE FROM counters")
    else:
        database.execute("DELETE FROM counters WHERE scope = ?", (scope,))
