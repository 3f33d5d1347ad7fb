"""
From records on disk to a tree that others can check: sequenced, integrated, published.

A record is sequenced when it is on disk, and acknowledged. Afterwards, when nobody waits for it, it is integrated: its line is hashed into
the tree. Published it is with the next checkpoint: `CHECKPOINT_SECONDS` after the first record that has none, or when `CHECKPOINT_RECORDS`
have none, or at the end. A checkpoint goes out in an order that a crash cannot turn into a false alarm: full tiles, partial tiles, the
keys' state, a line of `checkpoints.jsonl`, and at last `tlog/checkpoint`, which readers begin with (C2SP tlog-tiles).
"""

from collections.abc import Sequence
from pathlib import Path

from deepseek_local.audit.checkpoint_log import CheckpointLog, Sealed
from deepseek_local.audit.edge import Edge
from deepseek_local.audit.seal import Seal
from deepseek_local.audit.tile_files import TileFiles
from deepseek_local.tlog.tiles import tiles_of
from deepseek_local.tlog.tree import leaf

CHECKPOINT_SECONDS = 0.9
"""So that the checkpoint is out within a second."""
CHECKPOINT_RECORDS = 1024


class Publisher:
    """The tree of one log, and its checkpoints."""

    def __init__(
        self, directory: Path, seal: Seal, checkpoints: CheckpointLog, edge: Edge, published: Sequence[int] = ()
    ) -> None:
        """Go on from `edge`; `published` has the size of the newest checkpoint, if there is one."""
        self._tiles = TileFiles(directory)
        self._seal = seal
        self._checkpoints = checkpoints
        self._edge = edge
        self._published = tuple(published)
        self._lines: list[Sequence[bytes]] = []
        self._due: int | None = None

    def sequenced(self, lines: Sequence[bytes], mono: int) -> None:
        """Remember lines that are on disk since `mono`, in nanoseconds."""
        self._lines.append(lines)
        if self._due is None:
            self._due = mono + round(CHECKPOINT_SECONDS * 1e9)

    def integrate(self, mono: int) -> None:
        """Hash what was remembered, and publish when it is time. Raises `AuditError`."""
        append = self._edge.append
        for lines in self._lines:
            for line in lines:
                append(leaf(line))
        self._lines.clear()
        if self._due is not None and (mono >= self._due or self._edge.size - self._last >= CHECKPOINT_RECORDS):
            self.publish()

    def wait_seconds(self, mono: int) -> float | None:
        """Return how long `integrate` may stay away; None for ever."""
        return None if self._due is None else max(0.0, (self._due - mono) / 1e9)

    def publish(self) -> None:
        """Seal and show the tree as it stands, unless that is done. Raises `AuditError`; do not call it again then."""
        edge = self._edge
        if edge.size == self._last:
            return
        self._tiles.write(edge.take_full().items())
        self._tiles.write(edge.partial())
        index = self._seal.state.index
        note = self._seal.sign(edge.size, edge.root()).encode()
        self._checkpoints.append(Sealed(index, note.decode()).line())
        self._tiles.show(note)
        self._due = None
        self._published = (*self._published, edge.size)
        self._forget()

    def close(self) -> None:
        """Give the files back."""
        self._checkpoints.close()

    @property
    def _last(self) -> int:
        return self._published[-1] if self._published else 0

    def _forget(self) -> None:
        """Leave the partial tiles of this checkpoint and of the one before, which somebody may be reading."""
        *old, before, newest = (0, *self._published)
        kept = [*tiles_of(before), *tiles_of(newest)]
        self._tiles.forget([tile for size in old for tile in tiles_of(size)], kept)
        self._published = (before, newest)
