"""Small disks that are really there: ext4 in a file, on a loop device."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.audit.conftest import make_sequencer, sequencer  # noqa: F401 -- fixtures

MIB = 1024 * 1024


class Disk:
    """One ext4 file system of its own, with a ballast that takes its room."""

    def __init__(self, image: Path, place: Path) -> None:
        self.image = image
        self.place = place
        self.log = place / "log"
        self.ballast = place / "ballast"

    def mount(self) -> None:
        command = ("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.place))
        subprocess.run(command, check=True, capture_output=True, text=True)

    def unmount(self) -> None:
        subprocess.run(("umount", str(self.place)), check=True, capture_output=True, text=True)

    def free_bytes(self) -> int:
        volume = os.statvfs(self.place)
        return volume.f_bavail * volume.f_frsize

    def leave(self, percent: float) -> None:
        """Let the ballast take all but this share of the disk, not counting what is held in reserve."""
        volume, reserve = os.statvfs(self.place), self.log / "reserve"
        kept = int(volume.f_blocks * volume.f_frsize * percent / 100)
        kept -= reserve.stat().st_blocks * 512 if reserve.exists() else 0
        with self.ballast.open("ab") as stream:
            size = os.fstat(stream.fileno()).st_size
            wanted = size + self.free_bytes() - kept
            if wanted > size:
                os.posix_fallocate(stream.fileno(), 0, wanted)
            else:
                stream.truncate(wanted)

    def leave_nothing(self) -> None:
        """Let the ballast take every block."""
        with self.ballast.open("ab") as stream:
            for step in (MIB, MIB // 16, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(stream.fileno(), os.fstat(stream.fileno()).st_size, step)


def make_image(image: Path, mib: int, *options: str) -> None:
    with image.open("wb") as stream:
        stream.truncate(mib * MIB)
    subprocess.run(("mkfs.ext4", "-q", "-F", "-m", "0", *options, str(image)), check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    """Mount an ext4 file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    made = Disk(tmp_path / "disk.img", tmp_path / "disk")
    made.place.mkdir()
    make_image(made.image, 24)
    try:
        made.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device can be mounted here: {error.stderr.strip()}")
    try:
        yield made
    finally:
        subprocess.run(("umount", "--lazy", str(made.place)), check=False, capture_output=True)
