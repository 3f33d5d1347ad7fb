"""
The log: one order for all records, over all segments, by one process.

`commit` takes whatever has been asked for, numbers and dates it, and returns when all of it is on disk. The records of one commit share
`ts` and `mono`: the moment at which they were taken.

A segment ends by its size, by the turn of the day in UTC, or because its process did. The next one begins by declaring it closed with
`segment_sealed`, so that the beginning of every segment vouches for every byte of the one before. A start writes, in this order, one
`recovery` for each torn tail, one `segment_sealed` for each segment that has none yet, and `start`. `clock_step` comes right before the
first record that was written after the wall clock had been moved.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from deepseek_local.audit import clock, continuation, history, lock, segments, set_up
from deepseek_local.audit.clock import Moment
from deepseek_local.audit.history import History
from deepseek_local.audit.record import Envelope, Kind, encode
from deepseek_local.audit.segments import Segment
from deepseek_local.audit.wire import Request
from deepseek_local.errors import AuditError
from deepseek_local.hsm.ed25519 import Ed25519Key

SEGMENT_BYTES = 256 * 1024 * 1024
"""A segment that has reached this size is closed before the next commit."""

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A request and the process it came from."""

    pid: int
    request: Request


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same in all records of one start."""

    node: str
    boot: str
    pid: int

    @classmethod
    def here(cls, node: str) -> Self:
        """Describe this process on a host called `node`. Raises `AuditError` when that is not a name."""
        if not _NODE.fullmatch(node):
            raise AuditError(
                f"the node name {node!r:.80} does not fit into a record: use 1 to 128 of A-Z a-z 0-9 . _ -"
            )
        return cls(node, clock.boot_id(), os.getpid())


class Log:
    """The open log of one directory; no other process can open it meanwhile."""

    def __init__(
        self,
        directory: Path,
        keys: Path,
        origin: Origin,
        now: Callable[[], Moment] = clock.now,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        signing_key: Ed25519Key | None = None,
    ) -> None:
        """Lock the directory and begin a segment; without `signing_key` a seed beside the log signs. Raises `AuditError` when this log cannot be continued."""
        self._directory = directory
        self._origin = origin
        self._now = now
        self._segment_bytes = segment_bytes
        self._lock = lock.take(directory)
        try:
            past = history.read(directory)
            seal = set_up.ensure(directory, keys, origin.node, now(), signing_key)
            self._publisher = continuation.resume(directory, past, seal)
        except AuditError:
            os.close(self._lock)
            raise
        try:
            self._begin(past)
        except AuditError:
            self._publisher.close()
            os.close(self._lock)
            raise

    def _begin(self, past: History) -> None:
        moment = self._now()
        self._moment = past.moment(self._origin.boot) or moment
        self._day = moment.day
        self._next_seq = past.next_seq
        self._number = past.next_segment
        self._segment = Segment.create(segments.path(self._directory, self._number), self._next_seq)
        opening, start = self._own(*past.opening()), self._own(Request(0, Kind.START, {}))
        self._write([*opening, *self._clock_step(moment), *start], moment)
        for each in past.unsealed:
            segments.seal(each.path)

    @property
    def number(self) -> int:
        """The number of the segment that is being written; those before it are sealed."""
        return self._number

    def commit(self, entries: Sequence[Entry]) -> None:
        """Return when all entries are on disk. After an `AuditError` the log is done for: do not call it again."""
        moment = self._now()
        if step := self._clock_step(moment):
            entries = [*step, *entries]
        if self._segment.size >= self._segment_bytes or moment.day != self._day:
            self._rotate(entries, moment)
        else:
            self._write(entries, moment)

    def finish(self) -> None:
        """Do what a commit leaves for later; call it when its acknowledgements are out, and after `wait_seconds`. Raises `AuditError`."""
        self._segment.digest()
        self._publisher.integrate(self._now().mono)

    def wait_seconds(self) -> float | None:
        """Return how long `finish` may stay away when nothing is committed meanwhile; None for ever."""
        return self._publisher.wait_seconds(self._now().mono)

    def rotate(self) -> None:
        """Go on in a new segment. Raises `AuditError`; the log is done for then."""
        self._rotate([], self._now())

    def stop(self, reason: str) -> None:
        """Write and publish the last record of this start. Raises `AuditError`."""
        self.commit(self._own(Request(0, Kind.STOP, {"reason": reason})))
        self.finish()
        self._publisher.publish()

    def close(self) -> None:
        """Give back the segment, the tree and the lock."""
        self._segment.close()
        self._publisher.close()
        os.close(self._lock)

    def _rotate(self, entries: Sequence[Entry], moment: Moment) -> None:
        """Write the entries into a new segment that begins by declaring the old one closed."""
        old = self._segment
        self._day = moment.day
        self._number += 1
        self._segment = Segment.create(segments.path(self._directory, self._number), self._next_seq)
        self._write([*self._own(history.sealing(old.extent)), *entries], moment)
        segments.seal(old.path)
        old.close()

    def _write(self, entries: Sequence[Entry], moment: Moment) -> None:
        """Turn entries into lines and make them durable."""
        ts = clock.timestamp(moment.wall)
        lines = [self._line(seq, ts, moment.mono, entry) for seq, entry in enumerate(entries, self._next_seq)]
        self._segment.append(lines)
        self._publisher.sequenced(lines, moment.mono)
        self._next_seq += len(entries)
        self._moment = moment

    def _clock_step(self, moment: Moment) -> list[Entry]:
        step = moment.step_since(self._moment)
        return self._own(Request(0, Kind.CLOCK_STEP, {"step_ns": step})) if step else []

    def _line(self, seq: int, ts: str, mono: int, entry: Entry) -> bytes:
        asked, origin = entry.request, self._origin
        envelope = Envelope(seq, asked.cseq, ts, mono, origin.boot, origin.node, entry.pid, asked.kind)
        return encode(envelope, asked.fields)

    def _own(self, *requests: Request) -> list[Entry]:
        return [Entry(self._origin.pid, request) for request in requests]
