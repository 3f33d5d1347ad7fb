"""
The tree and its records as files: tiles of 256 hashes and bundles of 256 records (C2SP tlog-tiles).

Tile `n` of level `l` holds the roots of the complete subtrees of `256**l` leaves, from number `256 * n` on; at level 0 these are the leaves.
A full tile never changes. The last one of a level may be partial; then its name says how many hashes it holds, and what it holds is not
hashed into the level above before it is full.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from deepseek_local.errors import AuditError
from deepseek_local.tlog.tree import HASH_BYTES, node

HEIGHT = 8
"""Levels of the tree that one tile spans."""
WIDTH = 1 << HEIGHT
"""Hashes in a full tile, records in a full bundle."""
ENTRY_BYTES_LIMIT = 0xFFFF
"""A bundle tells the length of a record in 16 bits."""

_CACHED_TILES = 64
_LENGTH = struct.Struct(">H")


class Tile(NamedTuple):
    """One file of hashes."""

    level: int
    number: int
    """Counted from 0 in its level."""
    width: int = WIDTH
    """How many hashes it holds, 1 to 256."""

    @property
    def path(self) -> str:
        """Its name below the directory of the log."""
        return tile_path(*self)


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Return the name of a tile, such as `tile/0/x001/234` or `tile/1/000.p/17`."""
    return f"tile/{level}/{_numbered(index, width)}"


def bundle_path(index: int, width: int = WIDTH) -> str:
    """Return the name of a bundle of records, such as `tile/entries/x001/234`."""
    return f"tile/entries/{_numbered(index, width)}"


def _numbered(index: int, width: int) -> str:
    """Write the index in groups of three digits, so that no directory grows large and none has the name of a file."""
    name = f"{index % 1000:03d}"
    while index := index // 1000:
        name = f"x{index % 1000:03d}/{name}"
    return name if width == WIDTH else f"{name}.p/{width}"


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield the partial tiles at the right edge of a tree, lowest level first; the rest of the tree is in full ones."""
    for level, hashes in _levels(size):
        if hashes % WIDTH:
            yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def new_tiles(old: int, new: int) -> Iterator[Tile]:
    """
    Yield the tiles, full and partial, that a tree of `new` leaves has and one of `old` leaves has not; with `old` 0 all of them.

    They come level by level from the lowest, in each from left to right.
    """
    for level, hashes in _levels(new):
        had = old >> HEIGHT * level
        yield from (Tile(level, index) for index in range(had // WIDTH, hashes // WIDTH))
        if hashes % WIDTH and hashes != had:
            yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def _levels(size: int) -> Iterator[tuple[int, int]]:
    """Yield each level of tiles with the number of its hashes."""
    level = 0
    while size:
        yield level, size
        level, size = level + 1, size >> HEIGHT


def subtree_root(hashes: bytes) -> bytes:
    """Return the root above 1, 2, 4, … hashes that stand one behind the other, such as a full tile. Raises `AuditError` for any other number."""
    count, rest = divmod(len(hashes), HASH_BYTES)
    if rest or count.bit_count() != 1:
        raise AuditError(
            f"{len(hashes)} bytes are not the hashes below one node; build the tiles from the records again"
        )
    row = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


class TileReader:
    """
    The hashes of a tree of `size` leaves, from its tiles; `hash_at` is what proofs are made with.

    `read` takes the name of a tile and returns its bytes; what it raises is passed on. Nothing is believed but the length: tiles that
    were altered give proofs that do not verify. One reader serves proofs about every smaller tree too.
    """

    def __init__(self, size: int, read: Callable[[str], bytes]) -> None:
        self.size = size
        self._read = read
        self._tile = lru_cache(_CACHED_TILES)(self._load)

    def hash_at(self, level: int, index: int) -> bytes:
        """Return the root of the `index`-th complete subtree of `2**level` leaves. Raises `AuditError` when the tree has none there."""
        if level < 0 or index < 0 or index + 1 > self.size >> level:
            raise AuditError(
                f"subtree {index} of level {level} is not complete in a log of {self.size} records; wait for a later checkpoint"
            )
        tile_level, height = divmod(level, HEIGHT)
        number, first = divmod(index << height, WIDTH)
        hashes = self._tile(tile_level, number)
        return subtree_root(hashes[first * HASH_BYTES : (first + (1 << height)) * HASH_BYTES])

    def _load(self, level: int, index: int) -> bytes:
        tile = Tile(level, index, min(WIDTH, (self.size >> HEIGHT * level) - WIDTH * index))
        hashes = self._read(tile.path)
        if len(hashes) != tile.width * HASH_BYTES:
            raise AuditError(
                f"{tile.path} has {len(hashes)} bytes instead of {tile.width * HASH_BYTES}; build the tiles from the records again"
            )
        return hashes


def bundle(entries: Sequence[bytes]) -> bytes:
    """Put 1 to 256 records into one file, each behind its length. Raises `AuditError` for more, none, or one of more than 65,535 bytes."""
    _check_count(len(entries))
    if (longest := max(map(len, entries))) > ENTRY_BYTES_LIMIT:
        raise AuditError(f"a record of {longest} bytes does not fit into a bundle; the limit is {ENTRY_BYTES_LIMIT}")
    return b"".join(part for entry in entries for part in (_LENGTH.pack(len(entry)), entry))


def entries(bundle: bytes) -> list[bytes]:
    """Take the records out of a bundle. Raises `AuditError` when it is cut short or holds more than 256 of them, or none."""
    found = []
    position = 0
    while position < len(bundle):
        start = position + _LENGTH.size
        length = int.from_bytes(bundle[position:start])
        position = start + length
        found.append(bundle[start:position])
    if position != len(bundle):
        raise AuditError(f"a bundle of {len(bundle)} bytes ends within a record; fetch it again")
    _check_count(len(found))
    return found


def _check_count(count: int) -> None:
    if not 1 <= count <= WIDTH:
        raise AuditError(f"a bundle cannot hold {count} records; it holds 1 to {WIDTH}")
