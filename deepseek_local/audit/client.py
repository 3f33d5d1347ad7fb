"""
The client of the audit sequencer: a record goes in, and the call returns when it is on disk.

`AuditClient` is for asyncio processes that record much: one connection, opened when it is first needed, any number of records in flight.
`append_once` is for commands that record one thing. Both raise `AuditError` when no acknowledgement came in time, whatever the reason;
the record may be in the log nevertheless, and whoever asked for it must not go on. `NoRoomError` is the one that leaves no doubt: the
sequencer lives, and turned the record away because its volume is nearly full.

A connection whose oldest record was not acknowledged in time is given up with all that wait on it, so that a late acknowledgement finds
nobody it could confuse; the next record tries a new connection. The protocol is described in `audit.wire`.
"""

import asyncio
import contextlib
import itertools
import os
import socket as sockets
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from deepseek_local.audit import wire
from deepseek_local.errors import AuditError, NoRoomError

_count = itertools.count(1)
"""`cseq` counts the records of a process, over all its connections."""


class Watcher(Protocol):
    """Whoever wants to hear how records fare, whether or not somebody still waits for them; it is called from the event loop."""

    def written(self, seconds: float) -> None:
        """Take note that a record is on disk, so long after it was sent."""

    def failed(self, error: AuditError) -> None:
        """Take note that records may not have got there; of several that fail together it need not hear one by one."""

    def turned_away(self, error: NoRoomError) -> None:
        """Take note that the log has no room for some records; of several that an answer speaks of it hears once."""


class AuditClient:
    """Records of one asyncio process, over one connection at a time."""

    def __init__(self, socket: Path, timeout_seconds: float) -> None:
        self._path = socket
        self._timeout_seconds = timeout_seconds
        self._watcher: Watcher | None = None
        self._link: _Link | None = None
        self._opening: asyncio.Task[_Link] | None = None

    def watch(self, watcher: Watcher) -> None:
        """Tell this watcher how records fare, from the next connection on."""
        self._watcher = watcher

    def append(self, kind: str, fields: Mapping[str, object]) -> "asyncio.Future[None]":
        """
        Send a record; the future is done when it is on disk, or with an `AuditError` when that is not certain.

        Cancelling the future does not take the record back. Raises `AuditError` for a record that cannot be one.
        """
        return self.send(wire.body(kind, fields))

    def send(self, encoded: bytes) -> "asyncio.Future[None]":
        """Send what `wire.body` made of a record, as `append` does."""
        link = self._link
        if link is None or link.is_lost:
            # Shielded, so that cancelling it does not take the record back here either.
            future = asyncio.shield(self._append_anew(encoded))
            future.add_done_callback(_retrieve)
            return future
        return link.send(encoded)

    async def _append_anew(self, encoded: bytes) -> None:
        try:
            link = await self._connect()
            record = link.send(encoded)
        except AuditError as error:
            if self._watcher is not None:
                self._watcher.failed(error)
            raise
        await record

    def close(self) -> None:
        """Give up the connection; whoever still waits on it gets an `AuditError`."""
        if self._link is not None:
            self._link.give_up("this process closed its connection to the audit sequencer")

    async def _connect(self) -> "_Link":
        """Open a connection; whoever needs one meanwhile waits for the same attempt, and nobody's cancellation ends it for the others."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def _open(self) -> "_Link":
        loop = asyncio.get_running_loop()
        factory = partial(_Link, self._path, self._timeout_seconds, loop, self._watcher)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                _, link = await loop.create_unix_connection(factory, os.fspath(self._path))
        except OSError as error:
            raise _unreachable(self._path, error) from error
        self._link = link
        return link

    def _opened(self, attempt: "asyncio.Task[_Link]") -> None:
        self._opening = None
        _retrieve(attempt)


class _Link(asyncio.Protocol):
    """One connection and the records that wait for their acknowledgement on it."""

    def __init__(
        self, path: Path, timeout_seconds: float, loop: asyncio.AbstractEventLoop, watcher: Watcher | None
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
            raise AuditError(_ended(self._path))
        cseq, future = next(_count), self._loop.create_future()
        self._waiting.append((cseq, time.monotonic(), future))
        if not self._unsent:  # what is appended in the same turn of the event loop leaves in one system call
            self._loop.call_soon(self._flush)
        self._unsent.append(wire.request(cseq, encoded))
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
            _retrieve(future)
        if failed and self._watcher is not None:
            self._watcher.failed(AuditError(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Tell everybody who waits (asyncio calls this)."""
        self.give_up(_ended(self._path))

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
        _check_accepted(answer, self._path)
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
        error = NoRoomError(_full(self._path))
        while self._waiting and self._waiting[0][0] <= last:
            _, _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(NoRoomError(str(error)))
                _retrieve(future)
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
            self.give_up(_overdue(self._path, self._timeout_seconds))
        else:
            self._timer = self._loop.call_later(left_seconds, self._check_deadline)


def append_once(socket: Path, kind: str, fields: Mapping[str, object], timeout_seconds: float = 2.0) -> None:
    """Record one thing and return when it is on disk. Raises `AuditError` when that is not certain."""
    encoded = wire.body(kind, fields)
    try:
        with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as stream:
            stream.settimeout(timeout_seconds)
            stream.connect(os.fspath(socket))
            with contextlib.suppress(BrokenPipeError):  # who is turned away has been told why before
                stream.sendall(wire.request(next(_count), encoded))
            with stream.makefile("rb") as answers:
                line = answers.readline(wire.LINE_LIMIT)
    except TimeoutError as error:
        raise AuditError(_overdue(socket, timeout_seconds)) from error
    except OSError as error:
        raise _unreachable(socket, error) from error
    if not line:
        raise AuditError(_ended(socket))
    answer = wire.parse_answer(line)
    _check_accepted(answer, socket)
    if answer.full:
        raise NoRoomError(_full(socket))


def _retrieve(ended: "asyncio.Future[Any]") -> None:
    """Ask for a failure: whoever waits for it gets it, and asyncio must not complain when nobody does any more."""
    if not ended.cancelled():
        ended.exception()


def _check_accepted(answer: wire.Answer, path: Path) -> None:
    if answer.error is not None:
        raise AuditError(f"the audit sequencer on {path} refused a record: {answer.error}")


def _full(path: Path) -> str:
    return (
        f"the audit sequencer on {path} takes no records of requests, because the volume of its log is nearly full; "
        "move sealed segments to another one, or enlarge it"
    )


def _ended(path: Path) -> str:
    return f"the audit sequencer on {path} ended the connection; its own log says why"


def _overdue(path: Path, timeout_seconds: float) -> str:
    return (
        f"the audit sequencer on {path} did not confirm a record within {timeout_seconds:g} s; "
        "look at its own log, and at the free space and the speed of its disk"
    )


def _unreachable(path: Path, error: OSError) -> AuditError:
    return AuditError(
        f"the audit sequencer on {path} cannot be reached: {error.strerror or 'no answer'}; start it with `audit serve`"
    )
