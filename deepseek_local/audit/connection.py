"""One client of the sequencer: bytes in, requests out, and a short answer per batch."""

import socket
from collections.abc import Callable

from deepseek_local.audit import wire
from deepseek_local.audit.listener import Peer
from deepseek_local.audit.record import PRUNE, Kind
from deepseek_local.audit.wire import Request
from deepseek_local.errors import AuditError

READ_BYTES = 65_536
"""What one client may contribute to one batch at most."""

JUMP_LIMIT = 1 << 32
"""How far `cseq` may jump: a process numbers its records over all its connections, but none sends so many on others meanwhile."""


class Connection:
    """A connected client. It keeps at most one incomplete line, and no answer: a client that does not read its own is dropped."""

    def __init__(self, stream: socket.socket, peer: Peer, *, may_prune: bool) -> None:
        self.stream = stream
        self.peer = peer
        self._may_prune = may_prune
        self.ended = False
        """No more is to be read; the connection can be closed when its last answer is out."""
        self.error: str | None = None
        """Why the client is cut off."""
        self._partial = b""
        self._received = 0
        self._answered = 0
        self._answers: list[tuple[bool, int]] = []
        """Since the last answer, where some were turned away: whether a run of neighbours was admitted, and its last `cseq`."""
        self.is_new = True
        """Whether nothing of this client is in the log yet."""

    def receive(self, share: int = READ_BYTES) -> list[Request]:
        """Read what has arrived, `share` bytes at most, and return the complete requests; `ended` and `error` tell about the rest."""
        try:
            data = self.stream.recv(min(share, READ_BYTES))
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return []
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        return self._requests(lines)

    def _requests(self, lines: list[bytes]) -> list[Request]:
        """Return what is acceptable, up to the first line that is not."""
        requests: list[Request] = []
        try:
            for line in lines:
                requests.append(self._in_order(wire.parse_request(line)))  # noqa: PERF401 -- those before a bad line stay
            wire.check_length(self._partial)
        except AuditError as error:
            self.error = str(error)
            self.ended = True
        return requests

    def _in_order(self, request: Request) -> Request:
        if request.cseq <= self._received:
            raise AuditError(f"cseq {request.cseq} follows {self._received}; it must grow")
        if self._received and request.cseq > self._received + JUMP_LIMIT:
            raise AuditError(
                f"cseq {request.cseq} follows {self._received}; count the records of the process one by one"
            )
        # The verifier takes the word of this record for what is missing, so nobody may say it who cannot delete.
        if not self._may_prune and request.fields.get("act") == PRUNE:
            raise AuditError(f"user {self.peer.uid} may not record {PRUNE}; prune as root or as the sequencer's user")
        self._received = request.cseq
        return request

    def turn_away(self, requests: list[Request], admits: Callable[[Kind], bool]) -> list[Request]:
        """Return those of the just received requests that are admitted; the client will be told about the others."""
        admitted = []
        for request in requests:
            is_admitted = admits(request.kind)
            if is_admitted:
                admitted.append(request)
            if self._answers and self._answers[-1][0] is is_admitted:
                self._answers.pop()
            self._answers.append((is_admitted, request.cseq))
        return admitted

    def answer(self) -> None:
        """Acknowledge what was received and not turned away, which must be on disk by now, and say why the client is cut off if it is."""
        answer = b""
        if self._received > self._answered:
            runs = self._answers or [(True, self._received)]
            answer = b"".join(wire.acknowledgement(last) if written else wire.no_room(last) for written, last in runs)
            self._answered = self._received
            self._answers = []
        if self.error is not None:
            answer += wire.refusal(self.error)
        if answer:
            self._send(answer)

    def refuse(self, reason: str) -> None:
        """Turn a client away."""
        self._send(wire.refusal(reason))

    def _send(self, answer: bytes) -> None:
        try:
            sent = self.stream.send(answer, socket.MSG_NOSIGNAL)
        except OSError:
            sent = 0
        if sent < len(answer):
            self.ended = True
