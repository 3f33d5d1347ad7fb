"""A volume in a file, with the key in the HSM made."""

from pathlib import Path

import pytest
import volume as volumes
from volume import KEY, NEXT_KEY, Volume

from deepseek_local.hsm import aes


@pytest.fixture
def empty(tmp_path: Path, token) -> Volume:
    """Make a file without anything in it; the HSM has two keys."""
    if not volumes.is_installed():
        pytest.skip(volumes.MISSING)
    made = Volume(tmp_path, token)
    made.make()
    made.clear()
    for key in (KEY, NEXT_KEY):
        aes.make(token.parsed(key))
    return made


@pytest.fixture
def volume(empty: Volume) -> Volume:
    """Make the volume; its recovery key is in `volume.recovery_key`."""
    empty.recovery_key = empty.init()
    return empty
