"""
Who is let in: users that were named, root and our own, each with places of its own, so that none can take those of another.

Where no connection can be accepted at all, the door rests for a while. Its caller goes on with the clients that are there, and whoever
waits outside does so in the kernel.
"""

import logging
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Collection, Iterator

from deepseek_local.audit.connection import Connection
from deepseek_local.audit.listener import peer

USER_LIMIT = 128
"""Connections of one user at a time; the next one is told so and closed."""
REST_SECONDS = 1.0
"""Until the next attempt, after the system had no descriptor or memory for a connection."""

_ARRIVALS = 32
"""Let in, or turned away, between two batches."""
_SPARE_DESCRIPTORS = 32
"""Left for the files of the log, without which it could not go on."""

_logger = logging.getLogger(__name__)


class Door:
    """The listening socket, and how many of its places are taken."""

    def __init__(self, listener: socket.socket, allowed_uids: Collection[int]) -> None:
        self._listener = listener
        self._allowed_uids = allowed_uids
        self._taken: Counter[int] = Counter()
        self._descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether it is too early for the next attempt."""
        return time.monotonic() < self._rests_until

    def arrivals(self) -> Iterator[Connection]:
        """Yield some of those who have come and may stay."""
        for _ in range(_ARRIVALS):
            try:
                stream, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                _logger.warning("no client can be accepted for now: %s; raise the limit of open files", error.strerror)
                self._rests_until = time.monotonic() + REST_SECONDS
                return
            stream.settimeout(0)
            if (client := self._let_in(stream)) is not None:
                yield client

    def leave(self, client: Connection) -> None:
        """Close a connection, whose place is free now."""
        self._taken[client.peer.uid] -= 1
        client.stream.close()

    def _let_in(self, stream: socket.socket) -> Connection | None:
        process = peer(stream)
        client = Connection(stream, process, may_prune=process.uid in {0, os.geteuid()})
        if (reason := self._objection(client)) is not None:
            _logger.warning("refused process %d of user %d: %s", process.pid, process.uid, reason)
            client.refuse(reason)
            stream.close()
            return None
        self._taken[process.uid] += 1
        return client

    def _objection(self, client: Connection) -> str | None:
        uid = client.peer.uid
        if uid not in self._allowed_uids:
            return f"user {uid} may not write to the audit log; start the sequencer with --allow-uid {uid}"
        if self._taken[uid] >= USER_LIMIT:
            return f"{USER_LIMIT} clients of user {uid} are connected already"
        if client.stream.fileno() >= self._descriptors - _SPARE_DESCRIPTORS:
            return f"the limit of {self._descriptors} open files has no room for more clients; raise it"
        return None
