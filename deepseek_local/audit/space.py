"""
How much room the volume of the log has: warn, then take no more requests, and keep the rest for what must still be written.

    free share      ≥ warn            below warn          below stop
    written         everything        everything          everything but `REFUSED_KINDS`
    on record       `disk_room`       `disk_low`          `disk_full`

What strangers can cause, as often as they like, is refused first: then the rest of the volume belongs to administrators and to the outcomes
of answers that are on their way, and at its end to a reserve. A step back needs `_MARGIN_PERCENT` more than the step ahead, so that a
volume at the very edge does not open and close the front door with each record.
"""

import logging
import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from deepseek_local.audit import segments
from deepseek_local.audit.record import Kind
from deepseek_local.audit.reserve import Reserve
from deepseek_local.audit.wire import Request

RESERVE_BYTES = 16 * 1024 * 1024
"""Size of the reserve, except where this would be more than a quarter of what `stop_percent` leaves."""
REFUSED_KINDS = frozenset((Kind.DECISION, Kind.AUTH_FAIL, Kind.TLS_FAIL, Kind.REFUSED))
"""What a stranger can cause without limit."""

_MARGIN_PERCENT = 1.0
_logger = logging.getLogger(__name__)


class Level(IntEnum):
    """How much room there is; the value orders them by how bad they are."""

    ROOM = 0
    LOW = 1
    FULL = 2


_ACTIONS = {Level.ROOM: "disk_room", Level.LOW: "disk_low", Level.FULL: "disk_full"}
_WORDS = {
    Level.ROOM: "the volume of %s has room again, %.1f %% are free",
    Level.LOW: "the volume of %s runs full, %.1f %% are free: move sealed segments to another one, or enlarge it",
    Level.FULL: "the volume of %s is nearly full, %.1f %% are free: requests are refused until there is room",
}


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Shares of the volume, in percent, below which a level begins; 0 for never."""

    warn_percent: float = 15.0
    stop_percent: float = 5.0

    def level(self, free_percent: float, before: Level) -> Level:
        """Return the level at this share, given the one that held before."""
        if free_percent < _edge(self.stop_percent, is_below=before is Level.FULL):
            return Level.FULL
        if free_percent < _edge(self.warn_percent, is_below=before is not Level.ROOM):
            return Level.LOW
        return Level.ROOM


def _edge(percent: float, *, is_below: bool) -> float:
    return percent + _MARGIN_PERCENT if is_below and percent else percent


class Space:
    """The room on the volume of one log."""

    def __init__(self, directory: Path, watermarks: Watermarks) -> None:
        """Give the reserve up if not even a start would find room without it. Raises `AuditError`."""
        self._directory = directory
        self._watermarks = watermarks
        self._level = Level.ROOM
        self._reserve = Reserve(directory)
        self._wants_reserve = not self._reserve.held_bytes
        if self._reserve.held_bytes:
            self._measure()

    @property
    def is_full(self) -> bool:
        """Whether the last look found so little room that some kinds are refused."""
        return self._level is Level.FULL

    def admits(self, kind: Kind) -> bool:
        """Whether a record of this kind may be written."""
        return self._level is not Level.FULL or kind not in REFUSED_KINDS

    def look(self) -> list[Request]:
        """Measure anew and see to the reserve; return the record of the new level, if it is one. Raises `AuditError`."""
        percent, reserve_bytes = self._measure()
        before, self._level = self._level, self._watermarks.level(percent, self._level)
        if self._wants_reserve and self._level is not Level.FULL:
            self._wants_reserve = False
            self._reserve.take(reserve_bytes)
        return [] if self._level is before else [self._tell(percent)]

    def _measure(self) -> tuple[float, int]:
        """
        Return the share that is free, the reserve included, and how large the reserve should be; give it up where little else is left.

        The share is `df`'s: of what users other than root can have.
        """
        try:
            volume = os.statvfs(self._directory)
        except OSError as error:
            raise segments.failure("examine the volume of", self._directory, error) from error
        available = volume.f_bavail * volume.f_frsize
        total = (volume.f_blocks - volume.f_bfree + volume.f_bavail) * volume.f_frsize or 1
        percent = (available + self._reserve.held_bytes) * 100 / total
        reserve_bytes = min(RESERVE_BYTES, int(total * self._watermarks.stop_percent / 400))
        if self._reserve.held_bytes and available < reserve_bytes:
            self._reserve.give_up()
            self._wants_reserve = True
        return percent, reserve_bytes

    def _tell(self, percent: float) -> Request:
        level = logging.WARNING if self._level else logging.INFO
        _logger.log(level, _WORDS[self._level], self._directory, percent)
        subject = {"id": "s:sequencer", "src": "local"}
        attributes = {"free_permille": int(percent * 10)}
        return Request(
            0, Kind.ADMIN, {"act": _ACTIONS[self._level], "obj": "audit_log", "sub": subject, "attr": attributes}
        )
