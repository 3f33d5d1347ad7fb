"""
One child of the supervisor, from its start to the end of everything that it started.

The child writes to a file; what it wrote in this life tells how far it has got and, when it is dead, why. A log that has grown large is
moved aside before a start, so that the disk does not fill over many of them.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_local import proc
from deepseek_local.errors import LaunchError
from deepseek_local.supervisor.waiting import until

Explain = Callable[[int, Sequence[str]], str]
"""Says how and why a child ended, from its exit code and what it wrote."""

_log = logging.getLogger(__name__)

_LARGEST_LOG = 64 * 1024 * 1024
_LAST_BYTES = 256 * 1024
_GROUP_SECONDS = 5.0


@dataclass(slots=True)
class Tail:
    """Reads what a growing file got since the last time; a line that is not complete yet waits for its end."""

    path: Path
    offset: int

    def lines(self) -> list[str]:
        """Return the new complete lines. Raises `OSError`."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            content = stream.read()
        complete = content.rfind(b"\n") + 1
        self.offset += complete
        return content[:complete].decode("utf-8", "replace").splitlines()


class Supervised:
    """A running child."""

    def __init__(self, command: proc.Command, child: proc.Child, log_offset: int, explain: Explain) -> None:
        self.pid = child.pid
        self._explain = explain
        self._log = command.output
        self._log_offset = log_offset
        self._child = child
        self._started = time.monotonic()

    @classmethod
    async def start(cls, name: str, command: proc.Command, explain: Explain) -> "Supervised":
        """Start the child; `explain` reads its log when it is dead. Raises `LaunchError` when it cannot be started."""
        try:
            offset = _make_room(command.output)
            child = await proc.spawn(command)
        except OSError as error:
            raise LaunchError(
                f"the {name} could not be started ({command.argv[0]}, log {command.output}): {error}"
            ) from error
        return cls(command, child, offset, explain)

    def lived_seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._started

    def tail(self) -> Tail:
        """Return a reader of what the child writes in this life, from its beginning."""
        return Tail(self._log, self._log_offset)

    async def wait(self) -> str:
        """Wait for the end and say how and why it came."""
        code = await self._child.wait()
        return f"{self._explain(code, self._last_lines())} (log: {self._log})"

    async def stop(self, grace_seconds: float) -> None:
        """Ask the child to end, wait, and end whatever is left of it and of what it started; the children of a child that died too."""
        if grace_seconds > 0:
            self._child.terminate()
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._child.wait()
            except TimeoutError:
                _log.warning("process %d did not end within %g s and is killed", self.pid, grace_seconds)
        self.kill()
        await self._child.wait()
        # Killed orphans are gone only when their new parent has reaped them.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GROUP_SECONDS):
                await until(lambda: not self._child.group_lives())

    def kill(self) -> None:
        """End the child and what it started at once."""
        self._child.kill_group()

    def _last_lines(self) -> list[str]:
        try:
            size = self._log.stat().st_size
            return Tail(self._log, max(self._log_offset, size - _LAST_BYTES)).lines()
        except OSError as error:
            return [f"OSError: the log cannot be read: {error}"]


def _make_room(log: Path) -> int:
    """Move a large log aside and return the size of the log that is left."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size < _LARGEST_LOG:
        return size
    log.replace(log.with_name(f"{log.name}.1"))
    return 0
