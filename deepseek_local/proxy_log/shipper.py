"""
From nginx's syslog socket to the sequencer: datagrams in, records out, and nobody waits for anybody.

nginx does not wait for its log: a datagram that finds the socket full is lost (unix(7), `net.unix.max_dgram_qlen`). So this loop takes
whatever is there before it does anything else. While the sequencer takes no records they are kept in memory (`audit.degraded`), and a record
`gap` tells how many did not fit.
"""

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deepseek_local.audit.client import AuditClient
from deepseek_local.audit.degraded import DegradedClient
from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError, NoRoomError
from deepseek_local.proxy_log.flood import Flood
from deepseek_local.proxy_log.lines import parse

DATAGRAM_LIMIT = 8_192
"""Bytes of a datagram that are looked at; nginx sends 2 KiB at most."""
WAITING_LIMIT = 4_096
"""Records that wait for the sequencer."""
_BURST = 1_024
"""Datagrams that are taken in one turn of the loop."""
_TELL_SECONDS = 1.0
_FINISH_SECONDS = 5.0
_RECORD_SECONDS = 2.0
_RECEIVE_BYTES = 4 * 1024 * 1024
_UMASK = 0o117

_log = logging.getLogger(__name__)


class Shipper:
    """What comes in on the socket, on its way to the sequencer."""

    def __init__(self, client: DegradedClient) -> None:
        self._client = client
        self._flood = Flood()

    def read(self, source: socket.socket) -> None:
        """Take the datagrams that are there."""
        for _ in range(_BURST):
            try:
                datagram = source.recv(DATAGRAM_LIMIT)
            except BlockingIOError:
                return
            refusal = parse(datagram)
            if refusal is not None:
                entry = self._flood.take(refusal, time.monotonic(), datetime.now(UTC))
                if entry is not None:
                    self._client.append(*entry)

    def tell(self, seconds: float = math.inf) -> None:
        """Record what was only counted in windows that have ended by now; by default in all."""
        for entry in self._flood.ended(seconds):
            self._client.append(*entry)


class _Talk:
    """Says once each that records stop and that they are written again."""

    def __init__(self) -> None:
        self._is_silent = False

    def written(self, seconds: float) -> None:  # noqa: ARG002 -- the client's signature
        """Say that it goes on (the client calls this)."""
        if self._is_silent:
            self._is_silent = False
            _log.warning("refusals of nginx can be recorded again")

    def failed(self, error: AuditError) -> None:
        """Say that they wait, the first time (the client calls this)."""
        if not self._is_silent:
            self._is_silent = True
            _log.error("refusals of nginx wait in memory until they can be recorded: %s", error)

    def turned_away(self, error: NoRoomError) -> None:
        """Say that they wait (the client calls this)."""
        self.failed(error)

    def lost(self, count: int) -> None:
        """Say how many are gone (the client calls this)."""
        _log.error("%d records of refusals of nginx are lost", count)


def run(path: Path, group: int | None, audit_socket: Path) -> None:
    """
    Take datagrams on the socket `path`, which `group` may write to, until SIGTERM or SIGINT.

    Raises `AuditError` when the path cannot be used.
    """
    with _bound(path, group) as source:
        asyncio.run(_ship(source, audit_socket))


async def _ship(source: socket.socket, audit_socket: Path) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    client = DegradedClient(AuditClient(audit_socket, _RECORD_SECONDS), WAITING_LIMIT)
    client.watch(_Talk())
    client.append(Kind.ADMIN, _said("proxy_log_start"))
    shipper = Shipper(client)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(source, shipper.read, source)
    try:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TELL_SECONDS)
            shipper.tell(time.monotonic())
    finally:
        loop.remove_reader(source)
        shipper.read(source)
        shipper.tell()
        await client.append(Kind.ADMIN, _said("proxy_log_stop"))
        await client.finish(_FINISH_SECONDS)
        client.close()


def _said(action: str) -> dict[str, object]:
    return {"act": action, "obj": "proxy_log", "sub": {"id": "s:proxy_log", "src": "local"}}


@contextmanager
def _bound(path: Path, group: int | None) -> Iterator[socket.socket]:
    """Bind the path, and remove it at the end. Raises `AuditError`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as source:
        source.settimeout(0)
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        previous = os.umask(_UMASK)
        try:
            _make_room(path)
            source.bind(os.fspath(path))
            if group is not None:
                os.chown(path, -1, group)
        except OSError as error:
            raise AuditError(
                f"the socket {path} cannot be made ({error.strerror}): choose another path, or check the owner of its directory"
            ) from error
        finally:
            os.umask(previous)
        try:
            yield source
        finally:
            path.unlink(missing_ok=True)


def _make_room(path: Path) -> None:
    """Remove the socket of a process that was killed; nginx finds the new one by itself. Raises `AuditError` and `OSError`."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise AuditError(f"another process reads from {path}: stop it first, or choose another path")
