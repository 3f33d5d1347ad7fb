"""
What signals mean to `serve`: SIGTERM and SIGINT drain, a second SIGINT kills at once, SIGHUP means nothing.

The children have sessions of their own, so a terminal's Ctrl-C arrives here and nowhere else.
"""

import asyncio
import logging
import signal
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Stop:
    """The wish to stop, and how urgent it is."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
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
        loop.add_signal_handler(signal.SIGHUP, _log.info, "SIGHUP means nothing to serve; use SIGTERM to stop")

    def _request(self, number: signal.Signals) -> None:
        if not self.requested:
            _log.info("%s: stopping; running answers may finish", number.name)
        self._requested.set()

    def _interrupt(self) -> None:
        if self.requested:
            _log.warning("second SIGINT: stopping at once")
            for kill in self._at_once:
                kill()
        self._request(signal.SIGINT)
