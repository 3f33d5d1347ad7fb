"""Records of volumes: kept until the real sequencer takes them, in order, and never lost without a word."""

import errno
import os

import pytest

from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError, StorageError
from deepseek_local.storage import records as module
from deepseek_local.storage.records import Records
from tests.integration.audit.conftest import make_sequencer  # noqa: F401 -- a fixture

pytestmark = pytest.mark.integration

UUID = "3e2b6c3e-6a52-4f0e-9d3a-3a6d4a7b1c11"


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "records"


@pytest.fixture
def running(make_sequencer, tmp_path):  # noqa: F811 -- the fixture
    """Let the sequencer run."""
    made = make_sequencer(tmp_path / "log")
    made.start()
    return made


@pytest.fixture
def kept(directory) -> Records:
    """Keep two records while no sequencer runs."""
    made = Records(directory, None)
    made.add(Kind.KEY_USE, "unwrap", UUID, {"key": "k"})
    made.add(Kind.LUKS_OPEN, "open", UUID, {"key": "k"}, reason="no HSM")
    return made


def ours(running) -> list[dict]:
    return [record for record in running.records() if record["kind"] in ("key_use", "luks_open", "luks_close", "gap")]


def test_they_wait_and_are_delivered_once_in_their_order(kept, directory, running):
    assert kept.waiting() == 2
    assert directory.stat().st_mode & 0o077 == 0
    assert kept.deliver(running.socket) == 2
    assert kept.deliver(running.socket) == 0
    assert kept.waiting() == 0
    first, second = ours(running)
    assert (first["kind"], first["act"], first["obj"]) == ("key_use", "unwrap", f"volume_{UUID}")
    assert (second["kind"], second["reason"]) == ("luks_open", "no HSM")
    assert min(first["late_us"], second["late_us"]) >= 0
    assert first["attr"]["at"] <= second["attr"]["at"] <= first["ts"]
    assert first["attr"]["event"] != second["attr"]["event"]


def test_while_the_sequencer_runs_they_go_into_the_log_at_once(directory, running):
    records = Records(directory, running.socket)
    records.add(Kind.LUKS_CLOSE, "close", UUID, {})
    assert records.waiting() == 0
    assert [record["kind"] for record in ours(running)] == ["luks_close"]


def test_without_a_sequencer_they_wait_on(kept, tmp_path):
    with pytest.raises(AuditError, match="cannot be reached"):
        kept.deliver(tmp_path / "absent.sock")
    assert kept.waiting() == 2


def test_a_delivery_that_is_cut_off_repeats_one_record_with_the_same_event(kept, running, monkeypatch):
    def cut(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "pwrite", cut)
        with pytest.raises(StorageError, match="Input/output error"):
            kept.deliver(running.socket)
    assert kept.waiting() == 2
    assert kept.deliver(running.socket) == 2
    events = [record["attr"]["event"] for record in ours(running)]
    assert len(events) == 3
    assert events[0] == events[1] != events[2]


def test_a_torn_record_becomes_a_gap_and_costs_no_other(kept, directory, running):
    with (directory / module.NAME).open("ab") as stream:
        stream.write(b'{"kind":"luks_close","fie')
    kept.add(Kind.LUKS_CLOSE, "close", UUID, {})
    assert kept.waiting() == 4
    kept.deliver(running.socket)
    assert [record["kind"] for record in ours(running)] == ["key_use", "luks_open", "gap", "luks_close"]
    assert ours(running)[2]["count"] == 1


def test_binary_rubbish_is_a_gap_too(directory, running):
    directory.mkdir(mode=0o700)
    (directory / module.NAME).write_bytes(bytes(range(256)) + b'\n{"kind":"start"}\n[]\n' + b"\xff" * 50_000)
    Records(directory, None).deliver(running.socket)
    assert {record["kind"] for record in ours(running)} == {"gap"}


def test_a_full_disk_leaves_a_whole_record_or_none(kept, directory, monkeypatch):
    before = (directory / module.NAME).read_bytes()

    def half(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "append_synced", half)
    with pytest.raises(StorageError, match=r"cannot be recorded in .* No space left on device; free some space"):
        kept.add(Kind.LUKS_CLOSE, "close", UUID, {})
    assert (directory / module.NAME).read_bytes() == before


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_what_is_no_file_is_refused_and_never_followed(tmp_path, directory, kind):
    directory.mkdir()
    place, target = directory / module.NAME, tmp_path / "target"
    target.write_text("")
    {"fifo": lambda: os.mkfifo(place), "link": lambda: place.symlink_to(target), "directory": place.mkdir}[kind]()
    with pytest.raises(StorageError, match="cannot be recorded"):
        Records(directory, None).add(Kind.LUKS_CLOSE, "close", UUID, {})
    assert target.read_text() == ""
