"""
The audit sequencer's keeper: it starts before the engine, and again whenever it dies, for as long as `serve` runs.

While it is away no record can be made durable, so the front door answers 503; that is the price of `strict`, and short. One that
lives but does not react is ended, because nobody else would.
"""

import asyncio
import contextlib
import logging
from pathlib import Path

from deepseek_local.errors import LaunchError
from deepseek_local.proc import Command
from deepseek_local.supervisor import cause, sockets
from deepseek_local.supervisor.backoff import Backoff
from deepseek_local.supervisor.children import Supervised
from deepseek_local.supervisor.journal import Journal
from deepseek_local.supervisor.waiting import race, until

_log = logging.getLogger(__name__)

_START_SECONDS = 120.0
"""Enough to read a full segment, and to build a lost tree of ten million records again."""
_GRACE_SECONDS = 10.0
_LOOK_SECONDS = 5.0
_REACTION_SECONDS = 5.0
_ALLOWED_MISSES = 3
"""A disk that is slow for seconds is no reason to end it."""


class SequencerKeeper:
    """Keeps one sequencer alive."""

    def __init__(self, command: Command, socket: Path, journal: Journal) -> None:
        self._command = command
        self._socket = socket
        self._journal = journal
        self._child: Supervised | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and return when it accepts connections. Raises `LaunchError`."""
        sockets.remove_dead(self._socket)
        self._child = child = await Supervised.start("audit sequencer", self._command, cause.explain_by_last_line)
        try:
            async with asyncio.timeout(_START_SECONDS):
                winner, said = await race(child.wait(), self._until_it_answers())
        except TimeoutError as error:
            await child.stop(grace_seconds=0)
            raise LaunchError(
                f"the audit sequencer did not answer at {self._socket} within {_START_SECONDS:g} s"
            ) from error
        if winner == 0:
            raise LaunchError(f"the audit sequencer did not start: {said}")

    def keep(self) -> None:
        """From now on start it again whenever it dies."""
        self._watching = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it for good; what it has acknowledged is on disk already."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._child is not None:
            await self._child.stop(_GRACE_SECONDS)

    def kill(self) -> None:
        """End it at once, for good."""
        if self._watching is not None:
            self._watching.cancel()
        if self._child is not None:
            self._child.kill()

    async def _keep(self) -> None:
        backoff = Backoff()
        untold = ""
        while self._child is not None:
            hangs, said = await race(self._child.wait(), self._until_it_hangs())
            if hangs:
                await self._child.stop(grace_seconds=0)
            # Later ones are why it did not come back.
            untold = untold or said
            delay = backoff.after(self._child.lived_seconds())
            _log.error("the audit sequencer ended, nothing can be recorded until it is back in %.1f s: %s", delay, said)
            await asyncio.sleep(delay)
            try:
                await self.start()
            except LaunchError as error:
                _log.error("%s", error)
            else:
                _log.info("the audit sequencer is back")
                if await self._journal.note("sequencer_end", untold, resource="sequencer"):
                    untold = ""

    async def _until_it_hangs(self) -> str:
        misses = 0
        while misses < _ALLOWED_MISSES:
            await asyncio.sleep(_LOOK_SECONDS)
            misses = 0 if await sockets.reacts(self._socket, _REACTION_SECONDS) else misses + 1
        return f"it lived, but did not react for {_ALLOWED_MISSES * (_LOOK_SECONDS + _REACTION_SECONDS):g} s"

    async def _until_it_answers(self) -> str:
        await until(lambda: sockets.answers(self._socket))
        return ""
