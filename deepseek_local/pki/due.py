"""
When a certificate is renewed: after two thirds of its life, and not all certificates of a site in the same minute.

The moment is fixed by the certificate itself: two thirds of its life plus up to a day that its serial number chooses, so that every look
comes to the same answer. A `renew_after` from outside pulls it forward, never back (the idea of RFC 9773, where the authority says so).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

JITTER = timedelta(days=1)
WARN = timedelta(days=20)
URGENT = timedelta(days=10)
CRITICAL = timedelta(days=3)


class Alarm(StrEnum):
    """How near the end is, although it should have been renewed long before."""

    NONE = "none"
    WARN = "warn"
    URGENT = "urgent"
    CRITICAL = "critical"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Life:
    """From when to when a certificate is valid, and which one it is."""

    begins: datetime
    ends: datetime
    serial: int

    def due_at(self, renew_after: datetime | None = None) -> datetime:
        """Return the moment from which it is to be renewed."""
        life = self.ends - self.begins
        jitter = min(JITTER, life / 12)
        due = self.begins + life * 2 / 3 + jitter * _share(self.serial)
        return due if renew_after is None else min(due, renew_after)

    def is_due(self, now: datetime, renew_after: datetime | None = None) -> bool:
        """Whether it is to be renewed now."""
        return now >= self.due_at(renew_after)

    def alarm(self, now: datetime) -> Alarm:
        """Tell how near the end is; a shorter life than 90 days is alarmed at the same shares of it."""
        left, scale = self.ends - now, min(1.0, (self.ends - self.begins) / timedelta(days=90))
        steps = ((timedelta(), Alarm.EXPIRED), (CRITICAL, Alarm.CRITICAL), (URGENT, Alarm.URGENT), (WARN, Alarm.WARN))
        return next((alarm for limit, alarm in steps if left <= limit * scale), Alarm.NONE)


def _share(serial: int) -> float:
    """Return a number from 0 to 1 that the serial number fixes."""
    digest = hashlib.sha256(serial.to_bytes(20, "big")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
