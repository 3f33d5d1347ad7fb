"""
The whole log as a C2SP tlog-tiles tree: checkpoint, tiles and bundles of records, as every reader of such logs wants them.

Everything is made from the records, for the size of the newest checkpoint, and its root must come out. Where records were pruned, their
hashes are taken from the tiles that the log keeps, and the bundles of these records are left out.

The checkpoint comes last: a tree without one is what an export left that was stopped. Bundles hold records, so nothing is open to others.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence import checkpoints, log, opening
from deepseek_local.files import make_directory, write_atomic
from deepseek_local.tlog import checkpoint as checkpoint_text
from deepseek_local.tlog import note as notes
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.note import BYTES_LIMIT
from deepseek_local.tlog.tiles import WIDTH, Tile, bundle, bundle_path, subtree_root
from deepseek_local.tlog.tree import HASH_BYTES, Frontier, leaf


def export_tiles(directory: Path, destination: Path) -> Checkpoint:
    """
    Write the tree of the newest checkpoint below `destination`, which must be empty or not there; return what it is the tree of.

    Raises `TamperedError` when the records do not give the root of the checkpoint, and `AuditError` when something cannot be read or written.
    """
    note = _read(directory / checkpoints.NEWEST)
    checkpoint = checkpoint_text.parse(notes.parse(note).text)
    try:
        if not destination.exists():
            make_directory(destination)
        if any(destination.iterdir()):
            raise AuditError(f"{destination} is not empty; name an empty directory, or a new one")
        root = _write_tree(directory, destination, checkpoint.size)
        if root != checkpoint.root:
            raise TamperedError(
                f"the {checkpoint.size} records of {directory} do not give the root of its newest checkpoint; run `audit verify`"
            )
        write_atomic(destination / "checkpoint", note)
    except OSError as error:
        raise AuditError(
            f"cannot write below {destination}: {error.strerror}; make room, or name another directory"
        ) from error
    return checkpoint


def _write_tree(directory: Path, destination: Path, size: int) -> bytes:
    """Write bundles and tiles; return the root."""
    tiles, frontier = _Tiles(destination), Frontier()
    for row in _rows(directory, destination, size):
        for start in range(0, len(row), HASH_BYTES):
            leaf_hash = row[start : start + HASH_BYTES]
            tiles.add(0, leaf_hash)
            frontier.append(leaf_hash)
    tiles.end()
    return frontier.root()


def _rows(directory: Path, destination: Path, size: int) -> Iterator[bytes]:
    """Yield the hashes of one tile of level 0 after the other; write the bundle of each of which all records are there."""
    row_count = -(-size // WIDTH)
    widths = [WIDTH] * (row_count - 1) + [size - WIDTH * (row_count - 1)] if size else []
    first = next((log.seq_of(line) for _, line in log.lines(directory)), None)
    pruned = row_count if first is None else min(-(-first // WIDTH), row_count)
    for number in range(pruned):
        yield _read(directory / "tlog" / Tile(0, number, widths[number]).path)
    kept = (line for _, line in log.lines(directory, pruned * WIDTH))
    for number in range(pruned, row_count):
        lines = list(islice(kept, widths[number]))
        if len(lines) < widths[number]:
            raise TamperedError(
                f"{directory} has fewer records than the {size} of its newest checkpoint; run `audit verify`"
            )
        _write(destination / bundle_path(number, widths[number]), bundle(lines))
        yield b"".join(map(leaf, lines))


class _Tiles:
    """The tiles of a tree that grows, each written when it is full, and the partial ones at the end."""

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._rows: list[bytearray] = []
        self._numbers: list[int] = []

    def add(self, level: int, node_hash: bytes) -> None:
        """Put a hash into a level, and what it completes into those above."""
        if level == len(self._rows):
            self._rows.append(bytearray())
            self._numbers.append(0)
        row = self._rows[level]
        row += node_hash
        if len(row) == WIDTH * HASH_BYTES:
            self._write(level)
            self._numbers[level] += 1
            complete = bytes(row)
            row.clear()
            self.add(level + 1, subtree_root(complete))

    def end(self) -> None:
        """Write what is not full."""
        for level, row in enumerate(self._rows):
            if row:
                self._write(level)

    def _write(self, level: int) -> None:
        row = self._rows[level]
        tile = Tile(level, self._numbers[level], len(row) // HASH_BYTES)
        _write(self._destination / tile.path, row)


def _write(path: Path, data: bytes | bytearray) -> None:
    _make(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _make(directory: Path) -> None:
    if not directory.exists():
        _make(directory.parent)
        make_directory(directory)


def _read(path: Path) -> bytes:
    try:
        return opening.read(path, BYTES_LIMIT + 1)
    except OSError as error:
        raise AuditError(f"cannot read {path}: {error.strerror}; it is needed for an export of tiles") from error
