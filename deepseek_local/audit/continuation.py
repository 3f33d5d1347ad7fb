"""
How a start finds the tree again, and refuses a log that is not the one which was sealed.

The keys' state names the newest checkpoint; it is published now if a crash came before. From the full tiles, the edge is taken at the
beginning of the newest segment, and grows with the records from there on. At the size of the newest checkpoint it must have its root: then
tiles and records are those that were sealed. Otherwise the tiles may be at fault, so the tree is built again from all records. If the root
is still another one, the records are.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deepseek_local.audit import replay
from deepseek_local.audit.checkpoint_log import CheckpointLog, Sealed
from deepseek_local.audit.edge import Edge
from deepseek_local.audit.history import History
from deepseek_local.audit.publisher import Publisher
from deepseek_local.audit.seal import Seal
from deepseek_local.audit.segments import evidence
from deepseek_local.audit.tile_files import TileFiles
from deepseek_local.errors import AuditError
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.tiles import HEIGHT, WIDTH, Tile, subtree_root
from deepseek_local.tlog.tree import EMPTY_ROOT, HASH_BYTES, leaf

_STEP = 16_384
"""Records between two looks at the tiles that have become full."""

_logger = logging.getLogger(__name__)


def resume(directory: Path, past: History, seal: Seal) -> Publisher:
    """Return the tree of a log, with all its records in it. Raises `AuditError` when it is not the one that was sealed."""
    checkpoints = CheckpointLog(directory)
    try:
        missing = _missing(checkpoints, seal)
        newest = _verified(seal.state.note, seal)
        tiles = TileFiles(directory)
        edge = _Search(directory, past, newest, tiles).edge()
        if seal.state.note is not None:
            checkpoints.append(missing)
            tiles.show(seal.state.note.encode())
    except AuditError:
        checkpoints.close()
        raise
    return Publisher(directory, seal, checkpoints, edge, (newest.size,) if newest.size else ())


def _missing(checkpoints: CheckpointLog, seal: Seal) -> bytes:
    """Return what a crash has kept from the list of checkpoints, and see that the keys have sealed the others. Raises `AuditError`."""
    last, torn = checkpoints.last()
    state, count = seal.state, 0 if last is None else last.i + 1
    line = b"" if state.note is None else Sealed(state.index - 1, state.note).line()
    if line and count == state.index - 1 and line.startswith(torn):
        return line[len(torn) :]
    if torn:
        raise _altered(f"{checkpoints.path} ends with a line that was not written here", checkpoints)
    if count < state.index:
        raise _altered(
            f"{checkpoints.path} has {count} checkpoints, but the keys have sealed {state.index}", checkpoints
        )
    if last is not None and count == state.index and last.note != state.note:
        raise _altered(f"the last line of {checkpoints.path} is not what was sealed", checkpoints)
    if last is not None and count > state.index:
        _catch_up(last, seal)
    return b""


def _catch_up(last: Sealed, seal: Seal) -> None:
    """Let keys from a copy go on where the log is: each of them leads to the next one. Raises `AuditError`."""
    _verified(last.note, seal)
    _logger.warning(
        "audit.mac knows %d of %d checkpoints, as one from a copy does: it goes on", seal.state.index, last.i + 1
    )
    seal.skip_to(last.i + 1, last.note)


def _altered(found: str, checkpoints: CheckpointLog) -> AuditError:
    return AuditError(f"{found}; {evidence(checkpoints.path.parent)}")


def _verified(sealed: str | None, seal: Seal) -> Checkpoint:
    """Read the newest checkpoint; without one, it is that of no records. Raises `AuditError` when this log has not signed it."""
    origin = seal.state.origin
    if sealed is None:
        return Checkpoint(origin, 0, EMPTY_ROOT)
    signed = note.parse(sealed.encode())
    found = checkpoint.parse(signed.text)
    if not note.verify(signed, [seal.signer.verifier]) or found.origin != origin:
        raise AuditError(
            f"the newest checkpoint is not signed by the key of this log, {seal.signer.verifier}: "
            "restore audit.key from its copy, or name the right key in the HSM"
        )
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    """The way to the edge over all records."""

    directory: Path
    past: History
    newest: Checkpoint
    tiles: TileFiles

    def edge(self) -> Edge:
        """Return it. Raises `AuditError` when the records are not those of the newest checkpoint."""
        if self.newest.size > self.past.next_seq:
            raise AuditError(
                f"{self.directory} has {self.past.next_seq} records, but its newest checkpoint has {self.newest.size}; "
                f"{evidence(self.directory)}"
            )
        rows = self._rows()
        if not self._leads_to_the_checkpoint(rows):
            _logger.warning("building the tree of %d records again from the segments", self.past.next_seq)
            rows = []
            if not self._leads_to_the_checkpoint(rows):
                raise AuditError(
                    f"the records of {self.directory} are not those of its newest checkpoint, of {self.newest.size} records; "
                    f"{evidence(self.directory)}"
                )
        return self._grown(Edge(rows))

    def _leads_to_the_checkpoint(self, rows: Sequence[Sequence[bytes]]) -> bool:
        """Whether tiles and records, which stay as they are for this, have the root that was sealed."""
        edge = Edge(rows)
        for each in islice(self._leaves(edge.size), self.newest.size - edge.size):
            edge.append(each)
            edge.take_full()
        return edge.root() == self.newest.root

    def _grown(self, edge: Edge) -> Edge:
        """Add the other records, and see that there is a file for each full tile. Raises `AuditError`."""
        leaves = self._leaves(edge.size)
        restored = 0
        while step := list(islice(leaves, _STEP)):
            for each in step:
                edge.append(each)
            restored += self.tiles.restore(edge.take_full())
        if restored:
            _logger.info("tiles made again: %d", restored)
        if edge.size != self.past.next_seq:
            raise AuditError(
                f"{self.directory} has {edge.size} records instead of {self.past.next_seq}; {evidence(self.directory)}"
            )
        return edge

    def _leaves(self, start: int) -> Iterator[bytes]:
        return map(leaf, replay.lines(self.directory, start))

    def _rows(self) -> list[list[bytes]]:
        """
        Return the last tile of each level, as they were when the newest segment began or earlier.

        Only the lowest row may need a partial tile, or else ends with the last full one; the others are the roots of full tiles.
        """
        start = self._start()
        rows = [self._lowest_row(start)]
        level = 1
        while count := start >> HEIGHT * level:
            row = [self.tiles.read(Tile(level - 1, number)) for number in range(count - count % WIDTH, count)]
            rows.append([subtree_root(hashes) for hashes in row if hashes is not None])
            level += 1
        return rows

    def _start(self) -> int:
        firsts = [each.extent.first for each in self.past.unsealed if each.extent.first is not None]
        return self.tiles.reach(min([self.newest.size, *firsts[:1]]))

    def _lowest_row(self, start: int) -> list[bytes]:
        number, count = divmod(start, WIDTH)
        hashes = self.tiles.read_lowest(number, self.newest.size) if count else None
        if hashes is None:
            return []
        return [hashes[at : at + HASH_BYTES] for at in range(0, count * HASH_BYTES, HASH_BYTES)]
