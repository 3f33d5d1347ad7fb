"""
Addresses that guess: after too many failures within a minute, what an address cannot prove is answered with 429 for a while.

A ban protects the audit log and the disk from a flood of refusals: while it lasts they are counted, and one record tells how many there
were. It keeps nobody out who can prove who they are, so an attacker can lock out neither a user whose name is known nor the neighbours
behind the same address; and it spares no computing time, which is for nginx's `limit_req` to do.

Memory is bounded: addresses beyond `CAPACITY` are counted together as `OTHERS`, also when nobody asks what was suppressed. IPv6 counts by /64, of which one host has all addresses.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil

CAPACITY = 4_096
OTHERS = "others"
_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Refusals of one ban that have no record of their own."""

    address: str
    """An IP address, an IPv6 network, `unix` or `OTHERS`."""
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Ban:
    """A source whose failures were too many."""

    address: str
    """An IP address, an IPv6 network, `unix` or `OTHERS`."""
    failures: int
    since: datetime
    """When the first of the failures was."""
    until: datetime


@dataclass(slots=True)
class _Failures:
    since: datetime
    count: int = 0


class Bans:
    """Counts failures; decides nothing for who can prove an identity, because then it is not asked. One thread, aware times."""

    def __init__(self, failures: int, seconds: int, capacity: int = CAPACITY) -> None:
        self._limit = failures
        self._length = timedelta(seconds=seconds)
        self._capacity = capacity
        # Both are in the order of their times, so that what is over stands in front.
        self._failures: dict[str, _Failures] = {}
        self._bans: dict[str, _Failures] = {}
        self._over: dict[str, _Failures] = {}
        self._begun: dict[str, Ban] = {}
        self._latest = datetime.min.replace(tzinfo=UTC)

    def failed(self, address: str, now: datetime) -> int | None:
        """Count a failed attempt; return None, or for a banned address the seconds that its ban still lasts."""
        self._expire(now)
        source = self._source(address)
        ban = self._bans.get(source)
        if ban is not None:
            ban.count += 1
            return ceil((ban.since + self._length - now).total_seconds())
        failures = self._failures.setdefault(source, _Failures(now))
        failures.count += 1
        if failures.count >= self._limit:
            del self._failures[source]
            self._begin(source, failures, now)
        return None

    def take_begun(self) -> list[Ban]:
        """Return, once, the bans that have begun; of one source, what nobody has taken yet is one."""
        if not self._begun:
            return []
        taken, self._begun = self._begun, {}
        return list(taken.values())

    def take_suppressed(self, now: datetime, *, everything: bool = False) -> list[Suppressed]:
        """Return, once, what bans that are over have suppressed; `everything` ends the others too, as at a stop."""
        self._expire(now)
        if everything:
            for source in tuple(self._bans):
                self._end(source)
        taken, self._over = self._over, {}
        return [Suppressed(source, over.count, over.since) for source, over in taken.items()]

    def _source(self, address: str) -> str:
        """Return under which name the address is counted."""
        source = group_of(address)
        known = source in self._bans or source in self._failures
        return source if known or len(self._bans) + len(self._failures) < self._capacity else OTHERS

    def _expire(self, now: datetime) -> None:
        if now < self._latest:
            self._set_back(self._latest - now)
        self._latest = now
        while self._failures and now - next(iter(self._failures.values())).since >= _WINDOW:
            del self._failures[next(iter(self._failures))]
        while self._bans and now - next(iter(self._bans.values())).since >= self._length:
            self._end(next(iter(self._bans)))

    def _set_back(self, back: timedelta) -> None:
        """Move all times with the clock, so that a ban lasts no longer when it is set back."""
        for each in (*self._failures.values(), *self._bans.values()):
            each.since -= back

    def _begin(self, source: str, failures: _Failures, now: datetime) -> None:
        self._bans[source] = _Failures(now)
        name = source if source in self._begun or len(self._begun) < self._capacity else OTHERS
        told = self._begun.get(name, Ban(name, 0, failures.since, now))
        self._begun[name] = Ban(name, told.failures + failures.count, told.since, now + self._length)

    def _end(self, source: str) -> None:
        ban = self._bans.pop(source)
        if ban.count:
            name = source if source in self._over or len(self._over) < self._capacity else OTHERS
            self._over.setdefault(name, _Failures(ban.since)).count += ban.count


def group_of(address: str) -> str:
    """Return what is counted as one source: an IPv4 address, an IPv6 /64, or the text where it is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)
