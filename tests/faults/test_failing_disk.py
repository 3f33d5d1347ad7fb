"""A disk that fails under the log: what was acknowledged is there afterwards, and nothing is acknowledged in between."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import verified

from deepseek_local.errors import AuditError
from deepseek_local.evidence.report import Verdict
from tests.faults.conftest import MIB, Disk, make_image

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.faults, pytest.mark.timeout(120)]


def numbers(sequencer) -> list[int]:
    return [record["number"] for record in sequencer.records() if "number" in record]


def test_a_disk_that_becomes_read_only_stops_the_log_until_it_is_writable_again(make_sequencer, disk: Disk):
    sequencer = make_sequencer(disk.log)
    sequencer.start()
    for number in range(10):
        sequencer.append(number=number)
    # As if the file system had found itself damaged: an ordinary remount is refused while files are open for writing.
    subprocess.run(("mount", "-o", "remount,abort", str(disk.place)), check=True, capture_output=True)
    with pytest.raises(AuditError):
        sequencer.append(number=10)
    code, said = sequencer.ended()
    assert code == 1
    assert "(EROFS)" in said or "(EIO)" in said
    assert "Traceback" not in said
    assert "(EROFS)" in sequencer.refused()

    disk.unmount()
    disk.mount()
    sequencer.start()
    sequencer.append(number=10)
    assert numbers(sequencer) == list(range(11))
    assert sequencer.end()[0] == 0
    assert verified.report(sequencer.log).verdict is Verdict.INTACT


@pytest.fixture
def thin_disk(disk: Disk, tmp_path) -> Iterator[Disk]:
    """Mount a file system that believes to have more room than the volume below it has; that one has a ballast of its own."""
    below = tmp_path / "below"
    below.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(below)), check=True)
    disk.unmount()
    thin = Disk(below / "disk.img", disk.place)
    make_image(thin.image, 64, "-J", "size=1", "-E", "lazy_itable_init=0,lazy_journal_init=0")
    thin.mount()
    try:
        yield thin
    finally:
        subprocess.run(("umount", "--lazy", str(thin.place)), check=False, capture_output=True)
        subprocess.run(("umount", "--lazy", str(below)), check=False, capture_output=True)


def take_all(place: Path) -> Path:
    """Fill the volume below."""
    ballast = place / "ballast"
    with ballast.open("wb") as stream:
        stream.truncate(shutil.disk_usage(place).free)
    ballast.write_bytes(bytes(shutil.disk_usage(place).free))
    return ballast


def append_until_refused(sequencer, first: int) -> int:
    """Return the number of the first record that was not acknowledged."""
    for number in range(first, first + 12 * MIB // 4000):
        try:
            sequencer.append(number=number, **{f"pad{each}": "x" * 250 for each in range(16)})
        except AuditError:
            return number
    raise AssertionError("the volume below does not fill up")


def test_the_kernel_tells_of_lost_pages_once(thin_disk: Disk):
    """The reason for the next test: whoever syncs again hears of success."""
    descriptor = os.open(thin_disk.place / "file", os.O_WRONLY | os.O_CREAT)
    try:
        os.posix_fallocate(descriptor, 0, MIB)
        os.fsync(descriptor)
        take_all(thin_disk.image.parent)
        assert os.write(descriptor, b"x" * MIB) == MIB
        with pytest.raises(OSError, match=r"No space|Input/output"):
            os.fdatasync(descriptor)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def test_a_failed_sync_ends_the_sequencer_and_what_was_acknowledged_is_there(make_sequencer, thin_disk: Disk):
    sequencer = make_sequencer(thin_disk.log)
    sequencer.start()
    for number in range(10):
        sequencer.append(number=number)
    ballast = take_all(thin_disk.image.parent)
    acknowledged = append_until_refused(sequencer, 10)
    code, said = sequencer.ended()
    assert code == 1
    assert "cannot write" in said
    assert not sequencer.socket.exists()

    ballast.unlink()
    thin_disk.unmount()
    thin_disk.mount()
    sequencer.start()
    assert numbers(sequencer)[:acknowledged] == list(range(acknowledged))
    assert sequencer.end()[0] == 0
    assert verified.report(sequencer.log).verdict is Verdict.INTACT
