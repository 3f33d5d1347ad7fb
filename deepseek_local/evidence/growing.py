"""
The tree as it grows record by record, compared with its tiles where there are some (C2SP tlog-tiles).

A tile is only a copy of what the records say. So a tile that differs does not decide anything by itself: the first one is kept in `wrong`
until a signed root has told whether the records or the tile were altered.
"""

from collections.abc import Iterator
from pathlib import Path

from deepseek_local.errors import AuditError, IncompleteError
from deepseek_local.evidence import opening
from deepseek_local.tlog.tiles import HEIGHT, WIDTH, Tile, TileReader
from deepseek_local.tlog.tree import HASH_BYTES, Frontier

DIRECTORY = "tlog"

_READ_BYTES = WIDTH * HASH_BYTES + 1
"""A file that is longer than a tile is none."""


class Tiles:
    """The tiles of a log whose newest checkpoint is for `size` records; they hold no more than that."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory / DIRECTORY
        self.size = size
        self.are_there = (self._directory / "tile").is_dir()

    def tile(self, level: int, number: int) -> Tile:
        """Name a tile as wide as it is at this size."""
        return Tile(level, number, min(WIDTH, (self.size >> HEIGHT * level) - WIDTH * number))

    def hashes(self, tile: Tile) -> bytes:
        """Return what a tile holds. Raises `IncompleteError` when it is not there, `AuditError` when it cannot be read."""
        return self._read(tile.path)

    def reader(self) -> TileReader:
        """Return what proofs are made with."""
        return TileReader(self.size, self._read)

    def _read(self, path: str) -> bytes:
        place = self._directory / path
        try:
            return opening.read(place, _READ_BYTES)
        except FileNotFoundError as error:
            grown, dot, width = path.rpartition(".p/")
            if dot and (whole := self._directory / grown).is_file():  # the log has gone on meanwhile
                return opening.read(whole, _READ_BYTES)[: int(width) * HASH_BYTES]
            raise IncompleteError(
                f"the tile {place} is missing; start the sequencer, which makes tiles anew from the records"
            ) from error
        except OSError as error:
            raise AuditError(f"cannot read {place}: {error.strerror}; read the kernel log, then try again") from error


class _Row:
    """The last tile of one level."""

    __slots__ = ("hashes", "tree")

    def __init__(self, hashes: bytes = b"") -> None:
        self.hashes = bytearray()
        self.tree = Frontier()
        for start in range(0, len(hashes), HASH_BYTES):
            self.append(hashes[start : start + HASH_BYTES])

    def append(self, each: bytes) -> None:
        self.hashes += each
        self.tree.append(each)


class GrowingTree:
    """The right edge of the tree, tile by tile; `size` counts its leaves."""

    def __init__(self, tiles: Tiles, size: int = 0) -> None:
        """Begin behind record `size`, with what the tiles say of those before. Raises `AuditError` when they do not say it."""
        self.size = size
        self.wrong: Tile | None = None
        """The first tile that is not what the records say."""
        self.missing: Tile | None = None
        self.compared = 0
        self._tiles = tiles
        self._rows = [_Row(hashes) for hashes in self._edge(size)] or [_Row()]
        self._append = self._rows[0].append

    @property
    def has_tiles(self) -> bool:
        """Whether the log has any."""
        return self._tiles.are_there

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf."""
        self._append(leaf_hash)
        self.size += 1
        if not self.size % WIDTH:
            self._carry()

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        return Frontier(self.size, [peak for row in reversed(self._rows) for peak in row.tree.peaks]).root()

    def compare_edge(self) -> None:
        """Compare the tiles that are not full, if this is the size of the newest checkpoint; those of others may be gone."""
        if self.size != self._tiles.size:
            return
        for level, row in enumerate(self._rows):
            if row.hashes:
                self._compare(level, self.size >> HEIGHT * (level + 1), row)

    def _edge(self, size: int) -> Iterator[bytes]:
        level = 0
        while size >> HEIGHT * level:
            width = (size >> HEIGHT * level) % WIDTH
            number = size >> HEIGHT * (level + 1)
            yield self._tiles.hashes(self._tiles.tile(level, number))[: width * HASH_BYTES] if width else b""
            level += 1

    def _carry(self) -> None:
        """Turn full rows into tiles, from the lowest upwards."""
        level = 0
        while self._rows[level].tree.size == WIDTH:
            row = self._rows[level]
            self._compare(level, (self.size >> HEIGHT * (level + 1)) - 1, row)
            self._rows[level] = _Row()
            level += 1
            if level == len(self._rows):
                self._rows.append(_Row())
            self._rows[level].append(row.tree.root())
        self._append = self._rows[0].append

    def _compare(self, level: int, number: int, row: _Row) -> None:
        tile = Tile(level, number, row.tree.size)
        if not self._tiles.are_there or (number * WIDTH + tile.width) << HEIGHT * level > self._tiles.size:
            return
        self.compared += 1
        try:
            is_right = self._tiles.hashes(tile) == row.hashes
        except IncompleteError:
            self.missing = self.missing or tile
            return
        if not is_right:
            self.wrong = self.wrong or tile
