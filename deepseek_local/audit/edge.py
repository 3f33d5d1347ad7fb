"""
The right edge of the tree, as the writer needs it: the last tile of every level, and above all of them the root.

A row collects the hashes of a tile that is not full yet. With the 256th it becomes a tile, its root goes one row up, and the row begins
anew; so a record costs one hash for itself and one more on the average, whatever the size of the log (C2SP tlog-tiles; RFC 6962, 2.1).
"""

from collections.abc import Iterator, Sequence

from deepseek_local.tlog.tiles import HEIGHT, WIDTH, Tile
from deepseek_local.tlog.tree import Frontier


class _Row:
    """The last tile of one level."""

    __slots__ = ("hashes", "tree")

    def __init__(self, hashes: Sequence[bytes] = ()) -> None:
        self.hashes: list[bytes] = []
        self.tree = Frontier()
        for each in hashes:
            self.append(each)

    def append(self, each: bytes) -> None:
        self.hashes.append(each)
        self.tree.append(each)


class Edge:
    """A tree that grows to the right and hands out its tiles; `size` counts its leaves."""

    def __init__(self, rows: Sequence[Sequence[bytes]] = ()) -> None:
        """Begin with the hashes of the last tile of each level, the lowest first; each has fewer than 256."""
        self._rows = [_Row(hashes) for hashes in rows] or [_Row()]
        self.size = sum(row.tree.size << HEIGHT * level for level, row in enumerate(self._rows))
        self._full: dict[Tile, bytes] = {}

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf."""
        row = self._rows[0]
        row.append(leaf_hash)
        self.size += 1
        if len(row.hashes) == WIDTH:
            self._carry()

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        peaks = [peak for row in reversed(self._rows) for peak in row.tree.peaks]
        return Frontier(self.size, peaks).root()

    def take_full(self) -> dict[Tile, bytes]:
        """Hand out the tiles that have become full since the last time."""
        full, self._full = self._full, {}
        return full

    def partial(self) -> Iterator[tuple[Tile, bytes]]:
        """Yield the tiles at the edge with what is in them now, the lowest first."""
        for level, row in enumerate(self._rows):
            if row.hashes:
                number = self.size >> HEIGHT * (level + 1)
                yield Tile(level, number, len(row.hashes)), b"".join(row.hashes)

    def _carry(self) -> None:
        """Turn full rows into tiles, from the lowest upwards."""
        level = 0
        while len(self._rows[level].hashes) == WIDTH:
            row = self._rows[level]
            number = (self.size >> HEIGHT * (level + 1)) - 1
            self._full[Tile(level, number)] = b"".join(row.hashes)
            self._rows[level] = _Row()
            level += 1
            if level == len(self._rows):
                self._rows.append(_Row())
            self._rows[level].append(row.tree.root())
