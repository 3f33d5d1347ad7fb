"""What a start makes of the tree that it finds: after a crash at any step, after a loss, and after somebody's changes."""

import errno
import gzip
import json
import os
import re
import shutil
from pathlib import Path

import checked_tree
import pytest

from deepseek_local.audit import seal, set_up
from deepseek_local.audit.checkpoint_log import CheckpointLog
from deepseek_local.audit.publisher import Publisher
from deepseek_local.audit.seal import Seal
from deepseek_local.audit.tile_files import TileFiles
from deepseek_local.errors import AuditError


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def _tell_everything(caplog):
    caplog.set_level("INFO")


def checked(desk) -> list[int]:
    return [each.size for each in checked_tree.check(desk.directory, desk.keys)]


def write(desk, entry, count: int = 300, starts: int = 1) -> None:
    """Write some records and end in order."""
    for _ in range(starts):
        log = desk.open()
        log.commit([entry()] * count)
        log.stop("SIGTERM")
        desk.close(log)


def refusal(desk) -> str:
    """Start where no start is possible, and return what was said; the log must stay as it is."""
    before = {path: path.read_bytes() for path in desk.directory.rglob("*") if path.is_file()}
    with pytest.raises(AuditError) as refused:
        desk.open()
    assert {path: path.read_bytes() for path in desk.directory.rglob("*") if path.is_file()} == before
    return str(refused.value)


@pytest.mark.parametrize(
    "step",
    [(TileFiles, "write"), (Seal, "sign"), (CheckpointLog, "append"), (TileFiles, "show"), (Publisher, "_forget")],
    ids=lambda step: step[1],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_of_a_checkpoint_raises_no_false_alarm(desk, entry, monkeypatch, step, after):
    write(desk, entry)
    log = desk.open()
    log.commit([entry()] * 300)
    real = getattr(*step)

    def die(*arguments):
        if after:
            real(*arguments)
        raise Killed

    monkeypatch.setattr(*step, die)
    with pytest.raises(Killed):
        log.stop("SIGTERM")
    monkeypatch.undo()
    desk.close(log)
    write(desk, entry)
    sizes = checked(desk)
    assert sizes[0] == 302
    assert sizes[-1] == 302 + 303 + 303


@pytest.mark.parametrize("bytes_left", [0, 1, 40, 300])
def test_a_torn_checkpoint_is_completed_by_the_next_start(desk, entry, monkeypatch, bytes_left):
    log = desk.open()
    real = os.write

    def tear(descriptor, data):
        if data.startswith(b'{"i":'):
            real(descriptor, data[:bytes_left])
            raise Killed
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", tear)
    with pytest.raises(Killed):
        log.stop("SIGTERM")
    monkeypatch.undo()
    desk.close(log)
    write(desk, entry, 1)
    assert checked(desk) == [2, 6]


def test_records_that_no_checkpoint_has_are_taken_into_the_tree(desk, entry):
    log = desk.open()
    log.commit([entry()] * 700)
    desk.close(log)
    write(desk, entry, 1)
    assert checked(desk) == [705]


def test_a_log_from_before_there_were_trees_goes_on(desk, entry):
    write(desk, entry, 300, starts=3)
    shutil.rmtree(desk.directory / "tlog")
    (desk.directory / "checkpoints.jsonl").unlink()
    for name in (seal.SEED, seal.STATE, seal.FIRST_KEY):
        (desk.keys / name).unlink()
    desk.open().stop("SIGTERM")
    assert checked(desk) == [302 + 303 + 303 + 3]


@pytest.mark.parametrize(
    "lost", ["tlog", "tlog/tile", "tlog/tile/0/000", "tlog/tile/0/002", "tlog/tile/1", "tlog/checkpoint"]
)
def test_what_is_missing_of_the_tree_is_made_again(desk, entry, lost):
    write(desk, entry, 300, starts=3)
    place = desk.directory / lost
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    write(desk, entry, 1)
    assert checked(desk)[-1] == 302 + 303 + 303 + 4


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"\0" * 8192])
def test_a_tile_that_was_damaged_is_made_again(desk, entry, damage):
    write(desk, entry, 300, starts=3)
    tile = desk.directory / "tlog/tile/0/001"
    tile.unlink()
    tile.write_bytes(damage)
    write(desk, entry, 1)
    assert checked(desk)[-1] == 302 + 303 + 303 + 4


def test_tiles_that_a_power_cut_took_are_made_again_without_the_others(desk, entry, caplog):
    write(desk, entry, 300, starts=3)
    (desk.directory / "tlog/tile/0/002").unlink()
    (desk.directory / "tlog/tile/0/002").touch()
    write(desk, entry, 1)
    assert checked(desk)[-1] == 302 + 303 + 303 + 4
    assert "tiles made again: 1" in caplog.text
    assert "building the tree" not in caplog.text


def test_partial_tiles_are_not_needed(desk, entry):
    write(desk, entry, 300, starts=2)
    for directory in list((desk.directory / "tlog").rglob("*.p")):
        shutil.rmtree(directory)
    write(desk, entry, 1)
    assert checked(desk)[-1] == 302 + 303 + 4


def test_compressed_segments_make_the_tree_again(desk, entry):
    write(desk, entry, 300, starts=3)
    for number in (1, 2):
        plain = desk.segment(number)
        Path(f"{plain}.gz").write_bytes(gzip.compress(plain.read_bytes()))
        if number == 1:  # of the second, a crash has left both
            plain.unlink()
    shutil.rmtree(desk.directory / "tlog")
    write(desk, entry, 1)
    assert checked(desk)[-1] == 302 + 303 + 303 + 4


def test_a_log_whose_beginning_was_pruned_goes_on_from_its_tiles(desk, entry):
    write(desk, entry, 300, starts=3)
    desk.segment(1).unlink()
    desk.segment(2).unlink()
    write(desk, entry, 1)
    assert desk.records(4)[-1]["seq"] == 302 + 303 + 303 + 3


def test_a_pruned_log_without_tiles_is_refused(desk, entry):
    write(desk, entry, 300, starts=3)
    desk.segment(1).unlink()
    shutil.rmtree(desk.directory / "tlog/tile")
    assert re.search(r"record 0 is needed .*begins with record 302: restore .*tlog from its copy", refusal(desk))


def test_a_log_that_is_shorter_than_its_checkpoint_is_refused(desk, entry):
    write(desk, entry)
    lines = desk.segment(1).read_bytes().splitlines(keepends=True)
    desk.segment(1).chmod(0o600)
    desk.segment(1).write_bytes(b"".join(lines[:-1]))
    assert re.search(r"has 301 records, but its newest checkpoint has 302; the log was altered", refusal(desk))


@pytest.mark.parametrize("tiles", [True, False])
@pytest.mark.parametrize("record", [0, 150, 301])
def test_a_log_with_an_altered_record_is_refused(desk, entry, record, tiles):
    write(desk, entry)
    lines = desk.segment(1).read_bytes().splitlines(keepends=True)
    lines[record] = lines[record].replace(b'"gpu01"', b'"gpu02"')
    desk.segment(1).write_bytes(b"".join(lines))
    if not tiles:
        shutil.rmtree(desk.directory / "tlog")
    assert re.search(r"the records of .* are not those of its newest checkpoint, of 302 records", refusal(desk))


def test_a_list_of_checkpoints_that_was_cut_is_refused(desk, entry):
    write(desk, entry, starts=2)
    place = desk.directory / "checkpoints.jsonl"
    place.write_bytes(place.read_bytes().splitlines(keepends=True)[0][:10])
    assert "ends with a line that was not written here" in refusal(desk)
    place.write_bytes(b"")
    assert re.search(r"has 0 checkpoints, but the keys have sealed 2; .*move .* and its keys aside", refusal(desk))


def test_a_log_that_is_gone_is_noticed_by_its_keys(desk, entry):
    write(desk, entry, starts=2)
    shutil.rmtree(desk.directory)
    with pytest.raises(AuditError, match="has 0 checkpoints, but the keys have sealed 2"):
        desk.open()
    assert desk.names() == []


def test_another_checkpoint_in_the_newest_place_is_refused(desk, entry):
    write(desk, entry, starts=2)
    place = desk.directory / "checkpoints.jsonl"
    first, second = place.read_bytes().splitlines()
    forged = json.dumps({"i": 1, "note": json.loads(first)["note"]}).encode()
    place.write_bytes(first + b"\n" + forged + b"\n")
    assert "is not what was sealed" in refusal(desk)
    place.write_bytes(first + b"\n" + second[:-5] + b"\n")
    assert "is no checkpoint" in refusal(desk)


def test_keys_from_a_copy_go_on_where_the_log_is(desk, entry, caplog):
    write(desk, entry)
    copy = (desk.keys / seal.STATE).read_bytes()
    write(desk, entry, starts=2)
    (desk.keys / seal.STATE).write_bytes(copy)
    write(desk, entry)
    assert "audit.mac knows 1 of 3 checkpoints" in caplog.text
    assert len(checked(desk)) == 4


def test_keys_of_another_log_are_refused(desk, entry):
    write(desk, entry)
    (desk.keys / seal.SEED).write_bytes(bytes(32))
    assert re.search(
        r"belongs to a log with the key gpu01/\S+, but the key here is .*; restore audit.key", refusal(desk)
    )
    forget_whose_state_it_is(desk)
    assert "is not signed by the key of this log" in refusal(desk)


def test_a_state_that_does_not_say_whose_it_is_goes_on_and_then_says_it(desk, entry):
    write(desk, entry)
    state = (desk.keys / seal.STATE).read_bytes()
    forget_whose_state_it_is(desk)
    write(desk, entry)
    assert json.loads((desk.keys / seal.STATE).read_bytes())["verifier"] == json.loads(state)["verifier"]


def test_another_key_before_the_first_checkpoint_is_refused(desk):
    set_up.hand_out(desk.directory, desk.keys, "gpu01", desk.moment, None)
    (desk.keys / seal.SEED).write_bytes(bytes(32))
    with pytest.raises(AuditError, match="belongs to a log with the key"):
        desk.open()


def forget_whose_state_it_is(desk):
    """Make the state one from before it named the log's key."""
    place = desk.keys / seal.STATE
    state = json.loads(place.read_bytes())
    del state["verifier"]
    place.write_bytes(json.dumps(state).encode())


def test_a_log_whose_keys_are_gone_gets_no_new_ones(desk, entry):
    write(desk, entry)
    (desk.keys / seal.STATE).unlink()
    assert re.search(r"was sealed with keys that are not in .*: restore them from their copy", refusal(desk))


def test_a_disk_that_takes_no_checkpoint_ends_the_log(desk, entry, monkeypatch):
    log = desk.open()
    log.commit([entry()])
    real = os.fdatasync

    def fail(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "checkpoints.jsonl":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(
        AuditError, match=r"cannot write .*checkpoints\.jsonl: Input/output error \(EIO\); the disk is failing"
    ):
        log.stop("SIGTERM")
