"""A disk that is really full: nothing is acknowledged that is not on it, and the log goes on when there is room again."""

import subprocess

import pytest

from deepseek_local.errors import AuditError

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.timeout(60)]


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def append_until_refused(sequencer) -> int:
    for count in range(10_000):
        try:
            sequencer.append(number=count, pad="x" * 200)
        except AuditError:
            return count
    raise AssertionError("the disk does not fill up")


def numbers(records) -> list[int]:
    return [record["number"] for record in records if "number" in record]


def test_a_full_disk_stops_the_log_and_loses_nothing(make_sequencer, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 100_000)
    sequencer = make_sequencer(small_disk / "log")
    sequencer.start()

    acknowledged = append_until_refused(sequencer)
    code, said = sequencer.ended()
    assert code == 1
    segment = sequencer.segments()[0]
    assert (
        f"cannot write {segment}: No space left on device (ENOSPC); free space on that volume, then try again" in said
    )
    assert "Traceback" not in said
    assert not sequencer.socket.exists()
    assert numbers(sequencer.records()) == list(range(acknowledged))

    for _ in range(3):
        assert "No space left on device (ENOSPC)" in sequencer.refused()
    assert len(sequencer.segments()) <= 2  # a supervisor that tries again and again does not litter

    ballast.unlink()
    sequencer.start()
    sequencer.append(number=-1)
    assert numbers(sequencer.records()) == [*range(acknowledged), -1]
    assert sequencer.end()[0] == 0
