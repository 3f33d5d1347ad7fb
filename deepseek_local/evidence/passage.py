"""
One pass over the records: line by line into the tree, and at every checkpoint the root must be the signed one (RFC 6962, 2.1).

What the tree does not cover is checked on the way: numbering, the ends of the segments, the counts of the senders. Memory does not depend
on the length of the log, so nothing is kept of a record but what it adds to these.
"""

from collections.abc import Iterator

import msgspec

from deepseek_local.audit.record import PRUNE, RECORD_LIMIT, VERSION, Kind, Record, parse
from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence.checkpoints import Stop
from deepseek_local.evidence.growing import GrowingTree, Tiles
from deepseek_local.evidence.log import Number, Place, Segment
from deepseek_local.evidence.report import AlteredError, altered
from deepseek_local.evidence.seals import Extent, Seals
from deepseek_local.evidence.senders import Senders
from deepseek_local.tlog.tiles import WIDTH
from deepseek_local.tlog.tree import HASH_BYTES, leaf

_NEWLINE = 0x0A
_ROOM = {"disk_full": True, "disk_low": False, "disk_room": False}


class _Head(msgspec.Struct, gc=False):
    """What is needed of every record."""

    v: int
    seq: Number
    cseq: Number
    ts: str
    pid: Number
    kind: str


_decode = msgspec.json.Decoder(_Head).decode


class WrongRootError(TamperedError):
    """The records up to a checkpoint are not those that it was signed for."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        super().__init__(f"{stop.where} was signed for other records")


class Passage:
    """Where the reading is, and what has been gathered so far."""

    def __init__(self, tree: GrowingTree, stops: Iterator[Stop]) -> None:
        """Begin with the record that is the next leaf of `tree`; `stops` come in the order of their sizes."""
        self.tree = tree
        self.seals = Seals()
        self.senders = Senders()
        self.sealed = tree.size
        """Up to here a signed root has vouched for the records."""
        self.pruned_to = -1
        """The newest record that a sealed record declares pruned."""
        self._declared_pruned = -1
        self.unsealed: tuple[Place, str] | None = None
        """Where the first record stands that no checkpoint covers, and its time."""
        self.newest = ""
        """The time of the record that was read last."""
        self.end: Extent | None = None
        """The segment that was read last."""
        self._stops = stops
        self.stop = next(stops, None)
        """The next one that is not reached yet."""

    def read(self, segment: Segment, until: int | None = None) -> None:
        """
        Take the lines of a segment, all of them or until a signed root vouches for so many records.

        Raises `AlteredError`, `WrongRootError`, and `AuditError` when it cannot be read.
        """
        self._reach()
        extent = Extent(segment.name, first=self.tree.size)
        tree, senders, update = self.tree, self.senders, extent.all_bytes.update
        seq = tree.size
        head = None
        for line in segment.pieces():
            if line[-1] != _NEWLINE or extent.tail_offset is not None:
                self._tail(extent, line)
                continue
            head = self._head(line, extent)
            if head.seq != seq:
                raise self._altered(extent, f"record {head.seq} stands where record {seq} belongs")
            if seq == self.sealed:
                self.unsealed = Place(segment.name, extent.size), head.ts
            if head.cseq:
                senders.take(head.pid, head.cseq, seq)
            if not head.cseq or head.kind == "admin":
                self._take_own(self._record(line, extent), extent)
            update(line)
            tree.append(leaf(line))
            extent.size += len(line)
            seq += 1
            if self.stop is not None and seq == self.stop.checkpoint.size:
                self._reach()
                if until is not None and self.sealed >= until:
                    return
        self.newest = head.ts if head else self.newest
        extent.records = seq - (extent.first or 0)
        extent.first, extent.last = (extent.first, seq - 1) if extent.records else (None, None)
        self.end = extent
        self.seals.add(extent)

    def take_leaves(self, tiles: Tiles, end: int) -> None:
        """Take the records before `end` by their hashes, which are all that is left of them. Raises `WrongRootError`, `IncompleteError`."""
        for start in range(self.tree.size, end, WIDTH):
            hashes = tiles.hashes(tiles.tile(0, start // WIDTH))
            for index in range(min(WIDTH, end - start)):
                self.tree.append(hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES])
                if self.stop is not None and self.tree.size == self.stop.checkpoint.size:
                    self._reach()

    def _reach(self) -> None:
        """Compare the root with all checkpoints of this size, and go on to the next size."""
        size = self.tree.size
        while self.stop is not None and self.stop.checkpoint.size <= size:
            if self.stop.checkpoint.size == size:
                if self.tree.root() != self.stop.checkpoint.root:
                    raise WrongRootError(self.stop)
                if size != self.sealed:
                    self.sealed, self.unsealed = size, None
                    self.pruned_to = self._declared_pruned
                    self.tree.compare_edge()
            self.stop = next(self._stops, None)

    def _head(self, line: bytes, extent: Extent) -> _Head:
        try:
            head = _decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise self._altered(extent, f"this is no record ({error})") from error
        if head.v != VERSION or len(line) > RECORD_LIMIT:
            raise self._altered(extent, f"this is no record of version {VERSION} with at most {RECORD_LIMIT} bytes")
        return head

    def _record(self, line: bytes, extent: Extent) -> Record:
        try:
            return parse(line)
        except AuditError as error:
            raise self._altered(extent, str(error)) from error

    def _take_own(self, record: Record, extent: Extent) -> None:
        """Take what the sequencer says of itself, and what administrators did to the log."""
        envelope, fields = record.envelope, record.fields
        if envelope.kind in {Kind.SEGMENT_SEALED, Kind.RECOVERY}:
            self.seals.declare(record)
        elif envelope.kind == Kind.CLIENT_HELLO:
            self.senders.hello(envelope.pid)
        elif envelope.kind == Kind.START:
            self.senders.start(envelope.boot)
        elif not envelope.cseq and fields.get("act") in _ROOM:
            self.senders.room(is_full=fields["act"] == "disk_full")
        elif envelope.kind == Kind.ADMIN and fields.get("act") == PRUNE:
            self._declare_pruned(fields.get("attr"), extent)

    def _declare_pruned(self, attributes: object, extent: Extent) -> None:
        """Take note of what goes; no record speaks of its own segment or of later ones, since the newest one never goes."""
        last = attributes.get("last") if isinstance(attributes, dict) else None
        if type(last) is int and last < (extent.first or 0):
            self._declared_pruned = max(self._declared_pruned, last)

    def _tail(self, extent: Extent, piece: bytes) -> None:
        """Take a line that does not end, or refuse one that goes on for too long and then does."""
        if piece[-1] == _NEWLINE:
            raise self._altered(extent, f"the line is longer than {RECORD_LIMIT} bytes", extent.tail_offset)
        extent.add_tail(piece)

    def _altered(self, extent: Extent, reason: str, offset: int | None = None) -> AlteredError:
        place = Place(extent.segment, extent.size if offset is None else offset)
        return AlteredError(altered(self.tree.size, place, reason))
