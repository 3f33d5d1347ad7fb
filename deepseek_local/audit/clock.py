"""
The two clocks of a record, and the steps between them.

The wall clock can be set, by root or by a time server; CLOCK_BOOTTIME cannot, and it goes on while the host sleeps. Slewing moves both
alike, so their distance changes only when somebody sets the wall clock.
"""

import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import msgspec

STEP_LIMIT = 1_000_000_000
"""Nanoseconds by which the clocks may move against each other before it is worth a record."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One instant on both clocks, in nanoseconds."""

    wall: int
    mono: int

    def step_since(self, earlier: "Moment") -> int:
        """Return by how much the wall clock was moved since then; 0 when less than `STEP_LIMIT`."""
        step = (self.wall - self.mono) - (earlier.wall - earlier.mono)
        return step if abs(step) > STEP_LIMIT else 0

    @property
    def day(self) -> int:
        """Days since 1970 in UTC."""
        return self.wall // 86_400_000_000_000


def now() -> Moment:
    """Read both clocks."""
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def boot_id() -> str:
    """Return the kernel's random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def timestamp(wall: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 in UTC, cut to microseconds."""
    seconds, nanoseconds = divmod(wall, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    """Most records are written in the same second as the one before."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def parse_timestamp(text: str) -> int:
    """Read `timestamp` back. Raises `ValueError`."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1000
