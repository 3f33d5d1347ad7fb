"""
What an earlier start left in a segment: its records from first to last, and perhaps a torn tail.

The sequencer goes on from here, so this is also where it refuses to: a line that is not a record, or a gap in `seq`, is damage and not a
crash. A crash leaves a prefix of what was written, therefore only a last line without newline counts as torn.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from deepseek_local.audit import segments
from deepseek_local.audit.record import RECORD_LIMIT, Kind, Record, parse
from deepseek_local.audit.segments import Extent
from deepseek_local.errors import AuditError


@dataclass(frozen=True, slots=True)
class Tail:
    """A torn last line: bytes that were never acknowledged and are not part of the log."""

    offset: int
    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class Survey:
    """One segment as it stands."""

    path: Path
    extent: Extent
    """Bytes and digest include a torn tail."""
    last: Record | None
    sealed: frozenset[str]
    """Names of the segments that it declares closed."""
    tail: Tail | None


def take(place: Path) -> Survey:
    """Read a segment from disk. Raises `AuditError` when it is damaged or cannot be read."""
    try:
        with segments.open_to_read(place) as stream:
            _forget_cache(stream.fileno())
            return _Reading(place, stream).survey()
    except segments.DAMAGE as error:
        raise segments.damaged(place, error) from error
    except OSError as error:
        raise segments.failure("read", place, error) from error


def _forget_cache(descriptor: int) -> None:
    """
    See the disk, and not the memory that a process left which died before its `fdatasync`.

    Without the sync the log would go on from a line that the next power cut takes away. Pages that a failed write-back left in memory
    are dropped, as far as the kernel follows the advice.
    """
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@dataclass(slots=True)
class _Reading:
    """One pass over a segment."""

    path: Path
    stream: BinaryIO
    offset: int = 0
    records: int = 0
    first: int | None = None
    last: Record | None = None
    sealed: set[str] = field(default_factory=set)

    def survey(self) -> Survey:
        digest = hashlib.sha256()
        tail = None
        while line := self.stream.readline(RECORD_LIMIT):
            if not line.endswith(b"\n"):
                tail = self._tail(line, digest)
                break
            digest.update(line)
            self._take(line)
        size = self.offset + (tail.length if tail else 0)
        last = self.last.envelope.seq if self.last else None
        extent = Extent(self.path.name, size, f"sha256:{digest.hexdigest()}", self.records, self.first, last)
        return Survey(self.path, extent, self.last, frozenset(self.sealed), tail)

    def _take(self, line: bytes) -> None:
        try:
            record = parse(line)
        except AuditError as error:
            raise self._damaged(str(error)) from error
        seq = record.envelope.seq
        if self.last is None:
            self.first = seq
        elif seq != self.last.envelope.seq + 1:
            raise self._damaged(f"record {seq} follows record {self.last.envelope.seq}")
        if record.envelope.kind == Kind.SEGMENT_SEALED:
            self.sealed.add(str(record.fields.get("segment")))
        self.last = record
        self.records += 1
        self.offset += len(line)

    def _tail(self, beginning: bytes, whole: "hashlib._Hash") -> Tail:
        digest, length, chunk = hashlib.sha256(), 0, beginning
        while chunk:
            if b"\n" in chunk:
                raise self._damaged(f"the line is longer than {RECORD_LIMIT} bytes")
            digest.update(chunk)
            whole.update(chunk)
            length += len(chunk)
            chunk = self.stream.read(1 << 20)
        return Tail(self.offset, length, f"sha256:{digest.hexdigest()}")

    def _damaged(self, reason: str) -> AuditError:
        place = f"{self.path}: line {self.records + 1} at byte {self.offset}"
        return AuditError(f"{place}: {reason}; {segments.evidence(self.path.parent)}")
