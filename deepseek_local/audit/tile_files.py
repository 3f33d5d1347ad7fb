"""
The files below `tlog/`, in the layout of C2SP tlog-tiles: written under another name and renamed, so that a reader never sees a part.

Full tiles are durable before a checkpoint tells of them, because the next start goes on from them. Partial ones and `tlog/checkpoint` are
for readers alone: a power cut may take them, and the next checkpoint writes them again.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from deepseek_local.audit.segments import failure
from deepseek_local.files import sync_directory
from deepseek_local.tlog.tiles import HEIGHT, WIDTH, Tile
from deepseek_local.tlog.tree import HASH_BYTES

DIRECTORY = "tlog"
"""Below the audit directory."""
CHECKPOINT = "checkpoint"
"""The newest signed note, which readers begin with."""
MODE = 0o440
FULL_BYTES = WIDTH * HASH_BYTES


class TileFiles:
    """The tiles of one log."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / DIRECTORY

    def place(self, tile: Tile) -> Path:
        """Return the file of a tile."""
        return self._directory / tile.path

    def read(self, tile: Tile) -> bytes | None:
        """Return a tile, or None when there is none of the right length. Raises `AuditError` when the disk fails."""
        place = self.place(tile)
        try:
            hashes = place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure("read", place, error) from error
        return hashes if len(hashes) == tile.width * HASH_BYTES else None

    def read_lowest(self, number: int, size: int) -> bytes | None:
        """Return a tile of leaves as it is in a tree of `size` leaves, or None. Raises `AuditError` when the disk fails."""
        return self.read(Tile(0, number, min(WIDTH, size - number * WIDTH)))

    def write_full(self, tiles: Mapping[Tile, bytes]) -> None:
        """Make full tiles durable. Raises `AuditError`."""
        for tile, hashes in tiles.items():
            _write(self.place(tile), hashes, durable=True)
        for directory in {self.place(tile).parent for tile in tiles}:
            try:
                sync_directory(directory)
            except OSError as error:
                raise failure("write", directory, error) from error

    def restore(self, tiles: Mapping[Tile, bytes]) -> int:
        """Make durable those tiles that are missing or differ, and return how many there were. Raises `AuditError`."""
        wrong = {tile: hashes for tile, hashes in tiles.items() if self.read(tile) != hashes}
        self.write_full(wrong)
        return len(wrong)

    def write_partial(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Let readers see the tiles at the edge. Raises `AuditError`."""
        for tile, hashes in tiles:
            _write(self.place(tile), hashes, durable=False)

    def show(self, note: bytes) -> None:
        """Let readers see the newest checkpoint, whose tiles must be there. Raises `AuditError`."""
        _write(self._directory / CHECKPOINT, note, durable=False)

    def forget(self, old: Iterable[Tile], kept: Iterable[Tile]) -> None:
        """Remove what lies beside partial tiles that were left behind, but none that is kept. Raises `AuditError`."""
        keep = {self.place(tile) for tile in kept}
        for directory in {self.place(tile).parent for tile in old}:
            try:
                for place in list(directory.iterdir()):
                    if place not in keep:
                        place.unlink()
                if not any(place.parent == directory for place in keep):
                    directory.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise failure("remove", directory, error) from error

    def are_complete(self, size: int) -> bool:
        """Whether every full tile of a tree of `size` leaves is there, without a look into them."""
        level = 0
        while size := size >> HEIGHT:
            if not all(self._is_full(Tile(level, number)) for number in range(size)):
                return False
            level += 1
        return True

    def _is_full(self, tile: Tile) -> bool:
        try:
            return os.stat(f"{self._directory}/{tile.path}").st_size == FULL_BYTES  # noqa: PTH116 -- a log has many
        except OSError:
            return False


def _write(place: Path, content: bytes, *, durable: bool) -> None:
    draft = place.with_name(f".{place.name}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE), "wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        draft.replace(place)
    except OSError as error:
        raise failure("write", place, error) from error
