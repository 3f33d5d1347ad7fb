"""The second record of a request: how it ended, counted while the answer leaves, written once."""

import asyncio
import time
from collections.abc import Callable, Sequence

from deepseek_local.digest_keys import DigestKey
from deepseek_local.gateway.capture import Capture
from deepseek_local.gateway.journal import Journal
from deepseek_local.gateway.usage import tokens

Settlement = asyncio.Future[None] | None
"""What is still to be done when an answer has ended, and does not fail."""
SETTLEMENT_SECONDS = 0.05
"""How long the last bytes wait for it at most: what cannot be counted must not hold up an answer."""


def _nothing(_: "Outcome") -> Settlement:
    return None


class Outcome:
    """
    Counts of one answer and their record.

    The engine cancels whoever is sending when the client leaves: then nobody waits for the record any more, but it is neither lost nor
    written twice.
    """

    __slots__ = (
        "_answer",
        "_capture",
        "_ended",
        "_journal",
        "_kept",
        "_key_name",
        "_request_id",
        "_settlement",
        "_started_ns",
        "_tail",
        "_writing",
        "aborted",
        "byte_count",
        "chunks",
        "last",
        "status",
        "tokens",
        "told",
    )

    def __init__(
        self,
        request_id: str,
        journal: Journal,
        key: DigestKey,
        ended: "Callable[[Outcome], Settlement]" = _nothing,
        capture: Capture | None = None,
    ) -> None:
        """`ended` is called with the outcome when the answer has ended, and returns what goes on meanwhile."""
        self._capture = capture
        self._kept: list[bytes] = []
        """The answer so far, where it is captured."""
        self._request_id = request_id
        self._journal = journal
        self._key_name = key.name
        self._answer = key.hash.begin()
        self._ended = ended
        self._settlement: Settlement = None
        self._started_ns = time.monotonic_ns()
        self._writing: asyncio.Future[None] | None = None
        self.status = 0
        self.aborted = True
        """Whether it did not come to its end; true until the end is known."""
        self.byte_count = 0
        self.chunks = 0
        self.last = b""
        """The newest chunk of a running stream: the one before its last words tells how many tokens were used."""
        self.told = b""
        """The event with the usage that was taken out of the stream."""
        self.tokens: dict[str, int] | None = None
        """What the engine says it used, known once the record is under way: `in`, `out`, and of `in` perhaps `cached`."""
        self._tail = b""
        """What was counted last: an answer in one piece tells it there."""

    def count(self, body: bytes) -> None:
        """Take note of bytes that are about to leave."""
        if body:
            self.byte_count += len(body)
            self.chunks += 1
            self._tail = body
            self._take(body)

    def count_chunks(self, parts: Sequence[bytes]) -> None:
        """Take note of chunks of a running stream that have left."""
        joined = b"".join(parts)  # one update for all of them
        self._take(joined)
        self.byte_count += len(joined)
        self.chunks += len(parts)
        self.last = bytes(parts[-1])

    def _take(self, body: bytes) -> None:
        self._answer.update(body)
        if self._capture is not None:
            self._kept.append(body)

    async def settle(self, *, aborted: bool) -> None:
        """
        Write the record, the first time, and return when it is on disk.

        Raises `AuditError`, and `CancelledError` where an earlier wait for it was cancelled: then no last bytes may leave.
        """
        if self._writing is None:
            self.aborted = aborted
            self._writing = self._write(self._fields(aborted=aborted))
            # The quotas are settled while the record is on its way, so that the next request of a client finds its place free.
            self._settlement = self._ended(self)
        await self._writing
        if self._settlement is not None and not self._settlement.done():
            await asyncio.wait((self._settlement,), timeout=SETTLEMENT_SECONDS)

    async def end(self, *, aborted: bool) -> None:
        """Settle when the engine has stopped, unless it was cancelled while it waited for the record. Raises `AuditError`."""
        if self._writing is None or not self._writing.cancelled():
            await self.settle(aborted=aborted)

    def _write(self, fields: dict[str, object]) -> "asyncio.Future[None]":
        """Put the record on its way, as `Journal.append` does, and before it what it refers to."""
        if self._capture is None or not self._kept:
            return self._journal.append("outcome", fields)
        text, answer = b"".join(self._kept), self._digested()
        self._kept = []
        # Shielded, so that cancelling it takes neither the text nor the record back.
        writing = asyncio.shield(self._write_captured(self._capture, text, answer, fields))
        writing.add_done_callback(_retrieve)
        return writing

    async def _write_captured(
        self, capture: Capture, text: bytes, answer: dict[str, object], fields: dict[str, object]
    ) -> None:
        fields["answer"] = answer | {"capture": await capture.keep(text)}
        await self._journal.append("outcome", fields)

    def _digested(self) -> dict[str, object]:
        return {"hmac": f"{self._key_name}:{self._answer.hexdigest()}", "bytes": self.byte_count}

    def _fields(self, *, aborted: bool) -> dict[str, object]:
        fields: dict[str, object] = {
            "req": self._request_id,
            "status": self.status,
            "answer": self._digested(),
            "chunks": self.chunks,
            "duration_us": (time.monotonic_ns() - self._started_ns) // 1000,
            "aborted": aborted,
        }
        self.tokens = tokens((self.told, self._tail, self.last))
        if self.tokens:
            fields["tokens"] = self.tokens
        return fields


def _retrieve(ended: "asyncio.Future[None]") -> None:
    """Ask for a failure: whoever waits for it gets it, and asyncio must not complain when nobody does any more."""
    if not ended.cancelled():
        ended.exception()
