"""Show how far the engine has got while it loads: a line per phase, and one at least every ten seconds."""

import asyncio
import logging
import time
from typing import NoReturn

from deepseek_local.supervisor import progress
from deepseek_local.supervisor.children import Supervised

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_SILENCE_SECONDS = 9.0


class Loading:
    """The story of one start, as far as it has been told."""

    def __init__(self, engine: Supervised) -> None:
        self._engine = engine
        self._tail = engine.tail()
        self._told: set[str] = set()
        self._last = "process started"
        self._spoke = time.monotonic()
        self.report(f"engine process {engine.pid} started")

    def report(self, phrase: str) -> None:
        """Tell a phase, once, however many workers go through it."""
        if phrase not in self._told:
            self._told.add(phrase)
            self._last = phrase
            self._say(phrase)

    async def follow(self) -> NoReturn:
        """Tell what the log says until nobody wants to hear it any more."""
        while True:
            for line in self._tail.lines():
                phrase = progress.phase(line)
                if phrase is not None:
                    self.report(phrase)
            if time.monotonic() - self._spoke >= _SILENCE_SECONDS:
                self._say(f"still busy; last: {self._last}")
            await asyncio.sleep(_LOOK_SECONDS)

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        _log.info("%6.1f s  %s", self._engine.lived_seconds(), text)
