"""
The sign of life for systemd: given while all probes pass, withheld while one fails.

A start or restart of the engine counts as life, because the supervisor limits it itself; so systemd steps in only when a failing probe
has led to nothing, or when the supervisor itself hangs.
"""

import asyncio

from deepseek_local.supervisor.notify import Notifier

_BEATS_PER_LIMIT = 3


class Heart:
    """Knows which probes fail."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._failing: set[str] = set()

    def hear(self, probe: str, *, well: bool) -> None:
        """Take note of the result of a probe."""
        if well:
            self._failing.discard(probe)
        else:
            self._failing.add(probe)

    def reset(self) -> None:
        """Forget old failures: the engine is new."""
        self._failing.clear()

    async def beat(self) -> None:
        """Give the sign of life as often as systemd wants it, for ever; nobody else waits for it."""
        seconds = self._notifier.watchdog_seconds
        while seconds is not None:
            if not self._failing:
                self._notifier.alive()
            await asyncio.sleep(seconds / _BEATS_PER_LIMIT)
