"""
The files below `tlog/`, in the layout of C2SP tlog-tiles: written under another name and renamed, so that a reader never sees a part.

None of them is synced, which would cost more than all else: they can be made again from the records, and those are. A power cut may take
the newest ones or leave them empty; the next start looks how far they go and makes the others again.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from deepseek_local.audit.segments import failure
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

    def write(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Let readers see tiles. Raises `AuditError`."""
        for tile, hashes in tiles:
            _write(self.place(tile), hashes)

    def restore(self, tiles: Mapping[Tile, bytes]) -> int:
        """Write those tiles that are missing or differ, and return how many there were. Raises `AuditError`."""
        wrong = {tile: hashes for tile, hashes in tiles.items() if self.read(tile) != hashes}
        self.write(wrong.items())
        return len(wrong)

    def show(self, note: bytes) -> None:
        """Let readers see the newest checkpoint, whose tiles must be there. Raises `AuditError`."""
        _write(self._directory / CHECKPOINT, note)

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

    def reach(self, size: int) -> int:
        """Return the size of the largest tree, up to `size`, that has a file for each of its full tiles; nobody looks into them."""
        level, found = 0, size
        while count := size >> HEIGHT * (level + 1):
            missing = next((number for number in range(count) if not self._is_full(Tile(level, number))), None)
            if missing is not None:
                found = min(found, missing << HEIGHT * (level + 1))
            level += 1
        return found

    def _is_full(self, tile: Tile) -> bool:
        try:
            return os.stat(f"{self._directory}/{tile.path}").st_size == FULL_BYTES  # noqa: PTH116 -- a log has many
        except OSError:
            return False


def _write(place: Path, content: bytes) -> None:
    draft = place.with_name(f".{place.name}.new")
    try:
        with os.fdopen(_create(draft), "wb") as stream:  # which goes on where a nearly full disk took a part
            stream.write(content)
        draft.replace(place)
    except OSError as error:
        raise failure("write", place, error) from error


def _create(draft: Path) -> int:
    """Open a new file; what is in the way, a draft that a crash has left or no directory, is rare."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(draft, flags, MODE)
    except FileExistsError:
        draft.unlink()
    except FileNotFoundError:
        draft.parent.mkdir(parents=True, exist_ok=True)
    return os.open(draft, flags, MODE)
