"""The disk inside the other kernel, the HSM beside it, and a new volume for each scenario."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from soft_token import SoftToken
from volume import KEY, NEXT_KEY, Volume

from deepseek_local.hsm import aes

DEVICE, PLACE, NAME = Path("/dev/ubda"), Path("/mnt/data"), "deepseek-local"
CLEAR = f"/dev/mapper/{NAME}"
Scenario = Callable[[Volume], dict[str, object]]


def system(*command: str, **more: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, check=False, capture_output=True, text=True, **more)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done


def mount() -> None:
    PLACE.mkdir(exist_ok=True)
    system("mount", CLEAR, str(PLACE))


def unmount() -> None:
    system("umount", str(PLACE))


def prepared() -> Volume:
    """Make the HSM, and what stands for the volume on the disk."""
    token = SoftToken(Path("/run/hsm"))
    os.environ["SOFTHSM2_CONF"] = str(token.configuration)
    token.make()
    place = Path("/run/volume")
    place.mkdir()
    made = Volume(place, token)
    made.image = DEVICE
    made.make()
    for key in (KEY, NEXT_KEY):
        aes.make(token.parsed(key))
    return made


def make(volume: Volume) -> None:
    """Make the volume anew."""
    volume.recovery_key = volume.init("--force", str(DEVICE))
    volume.copy = volume.newest_backup()


def clean_up() -> None:
    """Leave the volume closed for the next scenario."""
    if PLACE.is_mount():
        unmount()
    if Path(CLEAR).exists():
        system("cryptsetup", "close", NAME)
