"""
An audit sequencer that somebody else keeps alive, such as a unit of systemd with a user of its own: it is waited for, and left alone.

A process that runs as the engine's user could otherwise rewrite the log that tells what it did.
"""

import asyncio
import logging
from pathlib import Path

from deepseek_local.errors import LaunchError
from deepseek_local.supervisor import sockets
from deepseek_local.supervisor.waiting import until

_log = logging.getLogger(__name__)

_START_SECONDS = 120.0
"""Enough to read a full segment, and to build a lost tree of ten million records again."""


class ForeignSequencer:
    """Has the shape of `SequencerKeeper`; what it has nothing to do for is empty."""

    def __init__(self, socket: Path, patience_seconds: float = _START_SECONDS) -> None:
        self._socket = socket
        self._patience_seconds = patience_seconds

    async def start(self) -> None:
        """Return when it accepts connections. Raises `LaunchError`."""
        if not sockets.answers(self._socket):
            _log.info("waiting for the audit sequencer at %s", self._socket)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await until(lambda: sockets.answers(self._socket))
        except TimeoutError as error:
            raise LaunchError(
                f"no audit sequencer answers at {self._socket} after {self._patience_seconds:g} s; start it, and let our user "
                "into its directory, or unset DEEPSEEK_LOCAL_AUDIT_SOCKET so that `serve` starts one"
            ) from error

    def keep(self) -> None:
        """Others keep it; the front door refuses what it cannot record meanwhile."""

    async def stop(self) -> None:
        """It goes on after us."""

    def kill(self) -> None:
        """It goes on after us."""
