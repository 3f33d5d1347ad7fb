"""
The client of the audit sequencer: a record goes in, and the call returns when it is on disk.

`AuditClient` is for asyncio processes that record much: one connection, opened when it is first needed, any number of records in flight.
`append_once` is for commands that record one thing. Both raise `AuditError` when no acknowledgement came in time, whatever the reason;
the record may be in the log nevertheless, and whoever asked for it must not go on. `NoRoomError` is the one that leaves no doubt: the
sequencer lives, and turned the record away because its volume is nearly full.

When a connection is given up (see `audit.link`), the next record tries a new one. The protocol is described in `audit.wire`.
"""

import asyncio
import contextlib
import os
import socket as sockets
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from deepseek_local.audit import wire
from deepseek_local.audit.link import Link, Watcher, check_accepted, count, ended, full, overdue, retrieve
from deepseek_local.errors import AuditError, NoRoomError


class AuditClient:
    """Records of one asyncio process, over one connection at a time."""

    def __init__(self, socket: Path, timeout_seconds: float) -> None:
        self._path = socket
        self._timeout_seconds = timeout_seconds
        self._watcher: Watcher | None = None
        self._link: Link | None = None
        self._opening: asyncio.Task[Link] | None = None

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
            future.add_done_callback(retrieve)
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

    async def _connect(self) -> "Link":
        """Open a connection; whoever needs one meanwhile waits for the same attempt, and nobody's cancellation ends it for the others."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def _open(self) -> "Link":
        loop = asyncio.get_running_loop()
        factory = partial(Link, self._path, self._timeout_seconds, loop, self._watcher)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                _, link = await loop.create_unix_connection(factory, os.fspath(self._path))
        except OSError as error:
            raise _unreachable(self._path, error) from error
        self._link = link
        return link

    def _opened(self, attempt: "asyncio.Task[Link]") -> None:
        self._opening = None
        retrieve(attempt)


def append_once(socket: Path, kind: str, fields: Mapping[str, object], timeout_seconds: float = 2.0) -> None:
    """Record one thing and return when it is on disk. Raises `AuditError` when that is not certain."""
    encoded = wire.body(kind, fields)
    try:
        with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as stream:
            stream.settimeout(timeout_seconds)
            stream.connect(os.fspath(socket))
            with contextlib.suppress(BrokenPipeError):  # who is turned away has been told why before
                stream.sendall(wire.request(next(count), encoded))
            with stream.makefile("rb") as answers:
                line = answers.readline(wire.LINE_LIMIT)
    except TimeoutError as error:
        raise AuditError(overdue(socket, timeout_seconds)) from error
    except OSError as error:
        raise _unreachable(socket, error) from error
    if not line:
        raise AuditError(ended(socket))
    answer = wire.parse_answer(line)
    check_accepted(answer, socket)
    if answer.full:
        raise NoRoomError(full(socket))


def _unreachable(path: Path, error: OSError) -> AuditError:
    return AuditError(
        f"the audit sequencer on {path} cannot be reached: {error.strerror or 'no answer'}; start it with `audit serve`"
    )
