"""
The audit sequencer: one process, one thread, one loop that turns the records of all clients into one durable order.

    select → read every readable client → number and date → one write, one fdatasync → one acknowledgement per client

Group commit needs no timer: what arrives during `fdatasync` waits in the kernel's socket buffers and is the next batch, which is larger the
busier the clients are. A batch is bounded by the number of clients and by what one of them may contribute.

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
from deepseek_local.audit.listener import claim, peer
from deepseek_local.audit.log import Entry, Log, Origin
from deepseek_local.audit.record import Kind
from deepseek_local.audit.space import Space, Watermarks
from deepseek_local.audit.wire import Request
from deepseek_local.errors import AuditError

CLIENT_LIMIT = 256
"""Connections at a time; the next one is told so and closed."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, rotation.SIGNAL)

_logger = logging.getLogger(__name__)


def run(
    directory: Path,
    keys: Path,
    path: Path,
    *,
    node: str,
    allowed_uids: Collection[int] = (),
    watermarks: Watermarks = Watermarks(),  # noqa: B008 -- immutable
) -> None:
    """
    Keep the log in `directory`, sealed with `keys`, and serve it on the socket `path` until SIGTERM or SIGINT.

    The socket accepts clients only after the log is open. Users other than root and our own need to be in `allowed_uids`.
    Raises `AuditError` when the log cannot be continued or written.
    """
    with claim(path) as listener, _wakeup() as stop, Compressor(directory) as compressor:
        space = Space(directory, watermarks)
        log = Log(directory, keys, Origin.here(node))
        listener.listen(CLIENT_LIMIT)
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
        self._stop = stop
        self._allowed_uids = allowed_uids
        self._poll = select.epoll()
        self._actions: dict[int, Callable[[], None]] = {}
        """What to do when a descriptor is readable."""
        self._clients: set[Connection] = set()
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
        readable = self._poll.poll(self._log.wait_seconds())
        self._batch += self._look()
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

    def _look(self) -> list[Entry]:
        """Look how much room there is before records come; return what is to be said about it. Raises `AuditError`."""
        return [Entry(os.getpid(), request) for request in self._space.look()]

    def _watch(self, stream: socket.socket, action: Callable[[], None]) -> None:
        self._poll.register(stream, select.EPOLLIN)
        self._actions[stream.fileno()] = action

    def _read(self, client: Connection) -> None:
        received = client.receive()
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
        try:
            stream, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            raise AuditError(
                f"cannot accept clients: {error.strerror}; raise the limit of open files, then try again"
            ) from error
        stream.settimeout(0)
        process = peer(stream)
        client = Connection(stream, process, may_prune=process.uid in {0, os.geteuid()})
        reason = self._objection(client)
        if reason is not None:
            _logger.warning("refused process %d of user %d: %s", client.peer.pid, client.peer.uid, reason)
            client.refuse(reason)
            stream.close()
            return
        self._clients.add(client)
        self._watch(stream, partial(self._read, client))

    def _objection(self, client: Connection) -> str | None:
        if client.peer.uid not in self._allowed_uids:
            return f"user {client.peer.uid} may not write to the audit log; start the sequencer with --allow-uid {client.peer.uid}"
        if len(self._clients) >= CLIENT_LIMIT:
            return f"{CLIENT_LIMIT} clients are connected already"
        return None

    def _drop(self, client: Connection) -> None:
        if client.error is not None:
            _logger.warning("cut off process %d: %s", client.peer.pid, client.error)
        self._poll.unregister(client.stream)
        del self._actions[client.stream.fileno()]
        self._clients.discard(client)
        client.stream.close()

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
