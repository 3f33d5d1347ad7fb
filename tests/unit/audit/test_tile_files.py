"""A tile is whole or not there."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deepseek_local.audit.tile_files import FULL_BYTES, TileFiles
from deepseek_local.errors import AuditError
from deepseek_local.tlog.tiles import Tile


@contextmanager
def little_room() -> Iterator[None]:
    """No file can become longer than half a tile, so that the first half of one is still taken; what pytest writes is a file, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES // 2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_half_a_tile_is_never_shown(tmp_path):
    tiles = TileFiles(tmp_path)
    with (
        pytest.raises(AuditError, match=r"cannot write .*/tlog/tile/0/000: File too large"),
        little_room(),
    ):
        tiles.write([(Tile(0, 0), bytes(FULL_BYTES))])
    assert not tiles.place(Tile(0, 0)).exists()
