"""Records that are not known to be on disk, in order and in bounded memory; what falls out is counted, with the time that it spans."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from deepseek_local.audit import clock


@dataclass(slots=True)
class Held:
    """A record that waits."""

    encoded: bytes
    """Its line, but for `cseq`."""
    wall_ns: int = field(default_factory=time.time_ns)
    mono_ns: int = field(default_factory=time.monotonic_ns)
    sent: "asyncio.Future[None] | None" = None
    """Done when the last attempt to write it has ended; None before the first."""

    @property
    def is_written(self) -> bool:
        """Whether it is on disk for certain."""
        return self.sent is not None and self.sent.done() and failure(self.sent) is None


@dataclass(slots=True)
class Loss:
    """Records that fell out, with nothing told about them yet."""

    count: int = 0
    since_ns: int = 0
    """Wall clock when the oldest of them was made."""
    until_ns: int = 0
    """Wall clock when the newest of them was made."""

    def add(self, other: "Loss") -> None:
        """Count others with these."""
        losses = [loss for loss in (self, other) if loss.count]
        self.since_ns = min((loss.since_ns for loss in losses), default=0)
        self.until_ns = max((loss.until_ns for loss in losses), default=0)
        self.count += other.count

    def fields(self) -> dict[str, object]:
        """Return the fields of its `gap` record."""
        span = {"since": clock.timestamp(self.since_ns), "until": clock.timestamp(self.until_ns)}
        return {"count": self.count, "reason": "degraded", **span}


class Ring:
    """The records, oldest first."""

    def __init__(self, records: int, size: int) -> None:
        """Hold so many records and bytes of their lines, whenever `trim` is called."""
        self._records = records
        self._bytes = size
        self._held: deque[Held] = deque()
        self._held_bytes = 0
        self._taken: list[Held] = []
        self.loss = Loss()
        """What fell out and nobody has told yet."""

    def __len__(self) -> int:
        """Return how many records are held, those that are taken out included."""
        return len(self._held) + len(self._taken)

    @property
    def oldest(self) -> Held:
        """The oldest record; there must be one."""
        return self._held[0]

    def push(self, held: Held) -> None:
        """Add the newest record."""
        self._held.append(held)
        self._held_bytes += len(held.encoded)

    def take(self, count: int) -> list[Held]:
        """Take out so many of the oldest, which cannot fall out before `put_back`."""
        self._taken = [self._pop() for _ in range(min(count, len(self._held)))]
        return self._taken

    def put_back(self) -> None:
        """Put back what was taken and is still to be written, in its old place."""
        left = [held for held in self._taken if not held.is_written]
        self._taken = []
        self._held.extendleft(reversed(left))
        self._held_bytes += sum(len(held.encoded) for held in left)

    def forget_written(self) -> None:
        """Drop what is on disk, as far as nothing older waits."""
        while self._held and self._held[0].is_written:
            self._pop()

    def trim(self) -> int:
        """Let the oldest fall out until the rest is within bounds; return how many did."""
        before = self.loss.count
        while self._held and (len(self._held) > self._records or self._held_bytes > self._bytes):
            oldest = self._pop()
            if not oldest.is_written:
                self.loss.add(Loss(1, oldest.wall_ns, oldest.wall_ns))
        return self.loss.count - before

    def _pop(self) -> Held:
        held = self._held.popleft()
        self._held_bytes -= len(held.encoded)
        return held


def failure(sent: "asyncio.Future[None]") -> BaseException | None:
    """Return why an attempt that has ended did not write its record; None if it did."""
    return asyncio.CancelledError() if sent.cancelled() else sent.exception()
