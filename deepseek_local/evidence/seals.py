"""
What segments say of one another: `segment_sealed` declares one closed, byte by byte, and `recovery` names the torn tail of one.

The tree covers the records; these two cover what is between them, the ends of the files. What differs may be a record, which the tree then
names exactly, so a difference is kept until a signed root has cleared the records.
"""

import hashlib
from dataclasses import dataclass, field

from deepseek_local.audit.record import Kind, Record
from deepseek_local.errors import TamperedError


@dataclass(slots=True)
class Extent:
    """One segment, measured."""

    segment: str
    """Name of the uncompressed file."""
    size: int = 0
    """In bytes."""
    records: int = 0
    first: int | None = None
    last: int | None = None
    tail_offset: int | None = None
    """Where a line without newline begins."""
    tail_bytes: int = 0
    all_bytes: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    tail: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add_tail(self, piece: bytes) -> None:
        """Take a piece of a line that does not end."""
        if self.tail_offset is None:
            self.tail_offset = self.size
        self.tail_bytes += len(piece)
        self.size += len(piece)
        self.tail.update(piece)
        self.all_bytes.update(piece)

    def sealing(self) -> dict[str, object]:
        """Return the fields of the `segment_sealed` that belongs to it."""
        digest = f"sha256:{self.all_bytes.hexdigest()}"
        return {
            "segment": self.segment,
            "bytes": self.size,
            "digest": digest,
            "records": self.records,
            "first": self.first,
            "last": self.last,
        }

    def recovery(self) -> dict[str, object] | None:
        """Return the fields of the `recovery` that belongs to it, None when no line is torn."""
        if self.tail_offset is None:
            return None
        digest = f"sha256:{self.tail.hexdigest()}"
        return {"segment": self.segment, "offset": self.tail_offset, "length": self.tail_bytes, "digest": digest}


class Seals:
    """The segments that were read whole, and what later ones declared of them."""

    def __init__(self) -> None:
        self._extents: dict[str, Extent] = {}
        self._unrecovered: set[str] = set()
        self._wrong: str | None = None

    def add(self, extent: Extent) -> None:
        """Take a segment that was read whole."""
        self._extents[extent.segment] = extent
        if extent.tail_offset is not None:
            self._unrecovered.add(extent.segment)

    def declare(self, record: Record) -> None:
        """Compare a declaration with what was measured; one of a segment that was not read is passed over."""
        name = record.fields.get("segment")
        extent = self._extents.get(name) if isinstance(name, str) else None
        if extent is None:
            return
        if record.envelope.kind == Kind.RECOVERY:
            expected = extent.recovery()
            self._unrecovered.discard(extent.segment)
        else:
            expected = extent.sealing()
            if extent.segment in self._unrecovered:
                self._wrong = self._wrong or _added(extent)
            del self._extents[extent.segment]
        if record.fields != expected:
            self._wrong = self._wrong or (
                f"{extent.segment} is not what record {record.envelope.seq} says of it: {_difference(record, expected)}; "
                "restore it from its copy"
            )

    def check(self) -> None:
        """Raise `TamperedError` when a declaration did not agree."""
        if self._wrong:
            raise TamperedError(self._wrong)

    def undeclared(self, newest: Extent | None) -> Extent | None:
        """Return a segment that was never declared closed, when all was read; the newest one need not be."""
        return next((extent for extent in self._extents.values() if extent is not newest), None)


def _added(extent: Extent) -> str:
    return (
        f"{extent.segment} has {extent.tail_bytes} bytes without newline at byte {extent.tail_offset} that no record speaks of; "
        "restore it from its copy"
    )


def _difference(record: Record, expected: dict[str, object] | None) -> str:
    """Name the first field that differs."""
    if expected is None:
        return "there is no torn line in it"
    names = sorted(expected.keys() | record.fields.keys())
    name = next(name for name in names if expected.get(name) != record.fields.get(name))
    return f"{name} is {expected.get(name)!r:.100} instead of {record.fields.get(name)!r:.100}"
