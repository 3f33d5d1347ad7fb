"""
A preallocated file that keeps a last part of the volume from everybody else who writes there, until the log needs it.

It is given up by unlinking it: what it took is then free for the open segment. Nothing is ever written into it.
"""

import logging
import os
from pathlib import Path

from deepseek_local.audit import segments

NAME = "reserve"

_logger = logging.getLogger(__name__)


class Reserve:
    """The reserve in the directory of one log."""

    def __init__(self, directory: Path) -> None:
        """Find what an earlier start left. Raises `AuditError`."""
        self._place = directory / NAME
        self.held_bytes = self._allocated()
        """What it takes from the volume; 0 while there is none."""

    def take(self, size: int) -> None:
        """Allocate so many bytes, if the volume gives them: without a reserve the log goes on, but says so. Raises `AuditError`."""
        if not size:
            return
        try:
            descriptor = os.open(self._place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, segments.OPEN_MODE)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            _logger.warning(
                "nothing is kept in reserve, because %s cannot be allocated: %s", self._place, error.strerror
            )
            self._place.unlink(missing_ok=True)
        self.held_bytes = self._allocated()

    def give_up(self) -> None:
        """Leave the room to the log. Raises `AuditError`."""
        try:
            self._place.unlink(missing_ok=True)
        except OSError as error:
            raise segments.failure("give up", self._place, error) from error
        _logger.warning("the volume has next to no room: the %d bytes of %s are given up", self.held_bytes, self._place)
        self.held_bytes = 0

    def _allocated(self) -> int:
        try:
            return self._place.stat().st_blocks * 512
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise segments.failure("examine", self._place, error) from error
