"""
The log of this host as a witness must see it: its newest checkpoint, and proofs from its tiles (C2SP tlog-tiles).

The writer goes on meanwhile and takes partial tiles away that have grown, so a tile is also taken from the beginning of a larger one.
"""

from pathlib import Path

from deepseek_local.errors import AuditError
from deepseek_local.files import read_regular
from deepseek_local.tlog import note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.note import BYTES_LIMIT, Note
from deepseek_local.tlog.tiles import WIDTH, TileReader
from deepseek_local.tlog.tree import EMPTY_ROOT, HASH_BYTES, consistency_proof, root_at, verify_consistency

DIRECTORY = "tlog"
"""Below the audit directory."""

_LOOKS = 3
"""A tile may grow between a look at the directory and a look into it."""


class LocalLog:
    """The audit directory of this host, read only."""

    def __init__(self, directory: Path) -> None:
        self._place = directory / DIRECTORY

    def newest(self) -> Note:
        """Return the newest checkpoint, unchecked. Raises `AuditError` when there is none."""
        place = self._place / "checkpoint"
        try:
            return note.parse(read_regular(place, BYTES_LIMIT + 1))
        except OSError as error:
            raise AuditError(
                f"{place} cannot be read ({error.strerror}); name the audit directory, after the log has begun"
            ) from error

    def proof(self, old_size: int, new: Checkpoint) -> tuple[bytes, ...]:
        """Return what proves that a checkpoint continues the first `old_size` records. Raises `AuditError` when the tiles do not."""
        hash_at = TileReader(new.size, self._read).hash_at
        proof = consistency_proof(old_size, new.size, hash_at)
        old_root = root_at(old_size, hash_at) if old_size else EMPTY_ROOT
        # Else damaged tiles would look to the witness as if the log had been forged.
        if not verify_consistency(old_size, new.size, old_root, new.root, proof):
            raise AuditError(
                f"the tiles in {self._place} do not fit the checkpoint of {new.size} records; "
                "run `deepseek-local audit verify`, then build them again from the records"
            )
        return tuple(proof)

    def _read(self, path: str) -> bytes:
        full, _, width = path.partition(".p/")
        wanted = int(width or WIDTH)
        for _ in range(_LOOKS):
            for name in (path, full, *self._larger(full, wanted)):
                try:
                    return read_regular(self._place / name, WIDTH * HASH_BYTES)[: wanted * HASH_BYTES]
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise AuditError(
                        f"{self._place / name} cannot be read ({error.strerror}); look at its rights"
                    ) from error
        raise AuditError(f"{self._place / path} is missing; build the tiles from the records again")

    def _larger(self, full: str, width: int) -> list[str]:
        """Return the partial tiles that hold at least so many hashes, largest first."""
        try:
            widths = [int(place.name) for place in (self._place / f"{full}.p").iterdir() if place.name.isdecimal()]
        except OSError:  # it may go away at any time
            return []
        return [f"{full}.p/{found}" for found in sorted(widths, reverse=True) if found >= width]
