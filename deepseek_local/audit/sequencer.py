"""
The audit sequencer: one process, one thread, one loop that turns the records of all clients into one durable order.

    select → read every readable client → number and date → one write, one fdatasync → one acknowledgement per client

Group commit needs no timer: what arrives during `fdatasync` waits in the kernel's socket buffers and is the next batch, which is larger the
busier the clients are. A batch is bounded, and every client that has something to say gets an equal share of it, so that none makes the
others wait long.

When the log cannot be written the process ends at once, without a further acknowledgement. Its clients see the end of the connection and
refuse the requests that depend on it; whoever supervises the process starts it again. The protocol is described in `audit.wire`.
"""

import logging
import os
import select
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from deepseek_local.audit import rotation
from deepseek_local.audit.compression import Compressor
from deepseek_local.audit.connection import Connection
from deepseek_local.audit.door import REST_SECONDS, Door
from deepseek_local.audit.listener import claim
from deepseek_local.audit.log import Entry, Log, Origin
from deepseek_local.audit.record import Kind
from deepseek_local.audit.space import Space, Watermarks
from deepseek_local.audit.wire import Request
from deepseek_local.hsm.ed25519 import Ed25519Key

BATCH_BYTES = 512 * 1024
"""What all clients together may contribute to one batch; the rest waits in the kernel, where it also slows them down."""
_WAITING = 256
"""Connections that the kernel holds until they are accepted."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, rotation.SIGNAL)

_logger = logging.getLogger(__name__)


def run(
    directory: Path,
    keys: Path,
    path: Path,
    *,
    node: str,
    signing_key: Ed25519Key | None = None,
    allowed_uids: Collection[int] = (),
    watermarks: Watermarks = Watermarks(),  # noqa: B008 -- immutable
) -> None:
    """
    Keep the log in `directory`, sealed with `keys`, and serve it on the socket `path` until SIGTERM or SIGINT.

    `signing_key` is a key in an HSM that signs instead of the seed in `keys`.

    The socket accepts clients only after the log is open. Users other than root and our own need to be in `allowed_uids`.
    Raises `AuditError` when the log cannot be continued or written.
    """
    with claim(path) as listener, _wakeup() as stop, Compressor(directory) as compressor:
        space = Space(directory, watermarks)
        log = Log(directory, keys, Origin.here(node), signing_key=signing_key)
        listener.listen(_WAITING)
        _logger.info("audit log %s, socket %s", directory, path)
        allowed = {0, os.geteuid(), *allowed_uids}
        Sequencer(log, space, compressor, listener=listener, stop=stop, allowed_uids=allowed).serve()


class Sequencer:
    """The loop over one log and one listening socket."""

    def __init__(
        self,
        log: Log,
        space: Space,
        compressor: Compressor,
        *,
        listener: socket.socket,
        stop: socket.socket,
        allowed_uids: Collection[int],
    ) -> None:
        self._log = log
        self._space = space
        self._compressor = compressor
        self._listener = listener
        self._door = Door(listener, allowed_uids)
        self._is_listening = True
        self._stop = stop
        self._poll = select.epoll()
        self._actions: dict[int, Callable[[], None]] = {}
        """What to do when a descriptor is readable."""
        self._share = BATCH_BYTES
        """What one client may contribute to this batch."""
        self._batch: list[Entry] = self._look()
        self._spoke: list[Connection] = []
        self._stopped_by: str | None = None
        self._watch(listener, self._accept)
        self._watch(stop, self._note_signal)

    def serve(self) -> None:
        """Take batches until a signal arrives, and then write `stop`. Raises `AuditError`."""
        self._compressor.below(self._log.number)
        while self._stopped_by is None:
            self._round()
        self._log.stop(self._stopped_by)

    def _round(self) -> None:
        readable = self._poll.poll(self._wait_seconds())
        self._batch += self._look()
        self._listen()
        self._share = BATCH_BYTES // max(1, len(readable))
        for descriptor, _ in readable:
            self._actions[descriptor]()
        if self._batch:
            self._log.commit(self._batch)
            self._batch = []
        for client in self._spoke:
            client.answer()
            if client.ended:
                self._drop(client)
        self._spoke.clear()
        self._log.finish()
        self._compressor.below(self._log.number)

    def _wait_seconds(self) -> float | None:
        seconds = self._log.wait_seconds()
        if self._is_listening:
            return seconds
        return REST_SECONDS if seconds is None else min(REST_SECONDS, seconds)

    def _listen(self) -> None:
        """Look at the listener unless the door rests: who waits there would end every wait at once."""
        if self._is_listening is self._door.rests:
            self._is_listening = not self._is_listening
            self._poll.modify(self._listener, select.EPOLLIN if self._is_listening else 0)

    def _look(self) -> list[Entry]:
        """Look how much room there is before records come; return what is to be said about it. Raises `AuditError`."""
        return [Entry(os.getpid(), request) for request in self._space.look()]

    def _watch(self, stream: socket.socket, action: Callable[[], None]) -> None:
        self._poll.register(stream, select.EPOLLIN)
        self._actions[stream.fileno()] = action

    def _read(self, client: Connection) -> None:
        received = client.receive(self._share)
        requests = client.turn_away(received, self._space.admits) if self._space.is_full else received
        if requests and client.is_new:
            client.is_new = False
            hello = Request(0, Kind.CLIENT_HELLO, {"uid": client.peer.uid, "gid": client.peer.gid})
            self._batch.append(Entry(client.peer.pid, hello))
        pid = client.peer.pid
        self._batch += [Entry(pid, request) for request in requests]
        if received or client.ended:
            self._spoke.append(client)

    def _accept(self) -> None:
        for client in self._door.arrivals():
            self._watch(client.stream, partial(self._read, client))
        self._listen()

    def _drop(self, client: Connection) -> None:
        if client.error is not None:
            _logger.warning("cut off process %d: %s", client.peer.pid, client.error)
        self._poll.unregister(client.stream)
        del self._actions[client.stream.fileno()]
        self._door.leave(client)

    def _note_signal(self) -> None:
        received = signal.Signals(self._stop.recv(1)[0])
        if received is rotation.SIGNAL:
            self._log.rotate()
        else:
            self._stopped_by = received.name


@contextmanager
def _wakeup() -> Iterator[socket.socket]:
    """Turn signals into bytes on a socket, so that they wait for the end of a batch like any other event."""
    receiver, sender = socket.socketpair()
    with receiver, sender:
        sender.settimeout(0)
        previous = signal.set_wakeup_fd(sender.fileno())
        handlers = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        try:
            yield receiver
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous)
