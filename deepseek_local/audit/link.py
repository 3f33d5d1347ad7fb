"""
One connection to the audit sequencer, and the records that wait for their acknowledgement on it.

A connection whose oldest record was not acknowledged in time is given up with all that wait on it, so that a late acknowledgement finds
nobody it could confuse.
"""

import asyncio
import itertools
import time
from collections import deque
from pathlib import Path
from typing import Any, Protocol, cast

from deepseek_local.audit import wire
from deepseek_local.errors import AuditError, NoRoomError

count = itertools.count(1)
"""`cseq` counts the records of a process, over all its connections."""


class Watcher(Protocol):
    """Whoever wants to hear how records fare, whether or not somebody still waits for them; it is called from the event loop."""

    def written(self, seconds: float) -> None:
        """Take note that a record is on disk, so long after it was sent."""

    def failed(self, error: AuditError) -> None:
        """Take note that records may not have got there; of several that fail together it need not hear one by one."""

    def turned_away(self, error: NoRoomError) -> None:
        """Take note that the log has no room for some records; of several that an answer speaks of it hears once."""


class Link(asyncio.Protocol):
    """A connection that asyncio drives; its records are acknowledged in their order."""

    def __init__(
        self,
        path: Path,
        timeout_seconds: float,
        loop: asyncio.AbstractEventLoop,
        watcher: Watcher | None,
    ) -> None:
        self.is_lost = False
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._loop = loop
        self._watcher = watcher
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[int, float, asyncio.Future[None]]] = deque()
        """The `cseq`, the time of sending and the caller of each record, oldest first."""
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._partial = b""

    def send(self, encoded: bytes) -> "asyncio.Future[None]":
        """Send a record; the future is done when it is on disk. Raises `AuditError`."""
        if self.is_lost:
            raise AuditError(ended(self._path))
        cseq, future = next(count), self._loop.create_future()
        line = wire.request(cseq, encoded)
        if not self._waiting and self._transport is not None:
            # It has none to share a system call with, so it leaves now, and what its sender does until it waits passes meanwhile.
            self._transport.write(line)
        else:
            if not self._unsent:  # what is appended in the same turn of the event loop leaves in one system call
                self._loop.call_soon(self._flush)
            self._unsent.append(line)
        self._waiting.append((cseq, time.monotonic(), future))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_seconds, self._check_deadline)
        return future

    def give_up(self, reason: str) -> None:
        """Close the connection at once and tell everybody who waits."""
        self.is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        failed = [future for _, _, future in self._waiting if not future.done()]
        self._waiting.clear()
        for future in failed:
            future.set_exception(AuditError(reason))
            retrieve(future)
        if failed and self._watcher is not None:
            self._watcher.failed(AuditError(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Tell everybody who waits (asyncio calls this)."""
        self.give_up(ended(self._path))

    def data_received(self, data: bytes) -> None:
        """Take acknowledgements (asyncio calls this)."""
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        try:
            for line in lines:
                self._take(wire.parse_answer(line))
            wire.check_length(self._partial)
        except AuditError as error:
            self.give_up(str(error))

    def _take(self, answer: wire.Answer) -> None:
        check_accepted(answer, self._path)
        if answer.full:
            self._turn_away(answer.full)
            return
        now, waiting, watcher = time.monotonic(), self._waiting, self._watcher
        while waiting and waiting[0][0] <= answer.ack:
            _, sent, future = waiting.popleft()
            if not future.done():
                future.set_result(None)
                if watcher is not None:
                    watcher.written(now - sent)

    def _turn_away(self, last: int) -> None:
        error = NoRoomError(full(self._path))
        while self._waiting and self._waiting[0][0] <= last:
            _, _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(NoRoomError(str(error)))
                retrieve(future)
        if self._watcher is not None:
            self._watcher.turned_away(error)

    def _flush(self) -> None:
        lines, self._unsent = self._unsent, []
        if self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(lines))

    def _check_deadline(self) -> None:
        """Look at the oldest record only: the others were sent later and have the same time."""
        self._timer = None
        if not self._waiting:
            return
        left_seconds = self._waiting[0][1] + self._timeout_seconds - time.monotonic()
        if left_seconds <= 0:
            self.give_up(overdue(self._path, self._timeout_seconds))
        else:
            self._timer = self._loop.call_later(left_seconds, self._check_deadline)


def retrieve(ended: "asyncio.Future[Any]") -> None:
    """Ask for a failure: whoever waits for it gets it, and asyncio must not complain when nobody does any more."""
    if not ended.cancelled():
        ended.exception()


def check_accepted(answer: wire.Answer, path: Path) -> None:
    """Raise `AuditError` where the sequencer hangs up."""
    if answer.error is not None:
        raise AuditError(f"the audit sequencer on {path} refused a record: {answer.error}")


def full(path: Path) -> str:
    """Say that a record was turned away."""
    return (
        f"the audit sequencer on {path} takes no records of requests, because the volume of its log is nearly full; "
        "move sealed segments to another one, or enlarge it"
    )


def ended(path: Path) -> str:
    """Say that there was no answer any more."""
    return f"the audit sequencer on {path} ended the connection; its own log says why"


def overdue(path: Path, timeout_seconds: float) -> str:
    """Say that there was none in time."""
    return (
        f"the audit sequencer on {path} did not confirm a record within {timeout_seconds:g} s; "
        "look at its own log, and at the free space and the speed of its disk"
    )
