"""
What signals mean to `serve`: SIGTERM and SIGINT drain, a second SIGINT kills at once; the end of its terminal drains, too.

Without a terminal, as under systemd, SIGHUP means nothing; under nohup(1) it does not even arrive.
The children have sessions of their own, so a terminal's Ctrl-C arrives here and nowhere else.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Stop:
    """The wish to stop, and how urgent it is."""

    def __init__(self, drain_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._requested = asyncio.Event()
        self.reason = ""
        """The signal that asked first."""
        self._at_once: tuple[Callable[[], None], ...] = ()

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._requested.is_set()

    async def wait(self) -> str:
        """Return when somebody asks to stop."""
        await self._requested.wait()
        return ""

    async def pause(self, seconds: float) -> None:
        """Sleep, but wake up when somebody asks to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._requested.wait()
        except TimeoutError:
            return

    def listen(self, at_once: tuple[Callable[[], None], ...]) -> None:
        """Take over the signals of this process; `at_once` is what a second SIGINT calls."""
        self._at_once = at_once
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._request, signal.SIGTERM)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            return
        if _has_terminal():
            loop.add_signal_handler(signal.SIGHUP, self._request, signal.SIGHUP)
        else:
            loop.add_signal_handler(signal.SIGHUP, _log.info, "SIGHUP means nothing to serve; use SIGTERM to stop")

    def _request(self, number: signal.Signals) -> None:
        if not self.requested:
            self.reason = number.name
            again = "; Ctrl-C again cuts them" if number is signal.SIGINT else ""
            _log.info("%s: stopping; running answers may finish within %g s%s", number.name, self._drain_seconds, again)
        self._requested.set()

    def _interrupt(self) -> None:
        if self.requested:
            _log.warning("second SIGINT: stopping at once")
            for kill in self._at_once:
                kill()
        self._request(signal.SIGINT)


def _has_terminal() -> bool:
    """Whether a terminal controls this process; its end is announced by SIGHUP (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
