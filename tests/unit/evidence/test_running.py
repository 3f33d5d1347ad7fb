"""What a running sequencer leaves, and what somebody leaves who only looks like one."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sealed_log
from verifying import check, messages

from deepseek_local.audit.record import LOCK_NAME
from deepseek_local.evidence import checkpoints, conclusion, running
from deepseek_local.evidence.report import Verdict
from deepseek_local.evidence.running import is_running


@contextmanager
def locked(path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, how)
    yield
    os.close(descriptor)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(conclusion, "_SETTLING_SECONDS", 0.2)


@pytest.fixture
def writer(log):
    """A sequencer at work, with the lock that it holds."""
    writer = log.open(boot="boot-2")
    yield writer
    writer.close()


def test_the_lock_of_a_sequencer_is_seen_and_left_alone(log, writer):
    assert is_running(log.directory)
    writer.commit([sealed_log.decision(1, pid=9)])


def test_another_lock_is_none_of_a_sequencer(log, tmp_path):
    for path in (tmp_path, log.directory):
        with locked(path):
            assert not is_running(log.directory)


def test_who_reads_with_a_lock_of_its_own_is_no_sequencer(log):
    with locked(log.directory / LOCK_NAME, fcntl.LOCK_SH):
        assert not is_running(log.directory)


def test_records_that_wait_for_their_checkpoint_are_fine_while_the_sequencer_runs(log, writer):
    writer.commit([sealed_log.decision(1, pid=9)])
    report = check(log)
    assert (report.verdict, report.unsealed_records) == (Verdict.INTACT, 3)
    assert "  3 records are not yet sealed" in list(report.lines())


def test_records_that_wait_for_too_long_are_not(log, writer):
    writer.commit([sealed_log.decision(1, pid=9)])
    report = check(log, later_seconds=11)
    assert report.verdict is Verdict.INCOMPLETE
    assert "3 records from record 37 on, segment-000004.jsonl at byte 0, are not yet sealed by a checkpoint; the sequencer does not seal them: read its log" in messages(report)  # fmt: skip


def test_records_that_nobody_will_seal_are_not(log):
    writer = log.open(boot="boot-2")
    writer.close()
    report = check(log)
    assert report.verdict is Verdict.INCOMPLETE
    assert "start the sequencer" in messages(report)


def test_a_file_of_the_same_inode_on_another_device_is_none_of_a_sequencer(log, monkeypatch, tmp_path):
    inode = (log.directory / LOCK_NAME).stat().st_ino
    (tmp_path / "locks").write_text(f"1: FLOCK  ADVISORY  WRITE 708 ff:ee:{inode} 0 EOF\n")
    monkeypatch.setattr(running, "_LOCKS", tmp_path / "locks")
    assert not is_running(log.directory)


@pytest.mark.usefixtures("writer")
def test_who_waits_for_the_lock_is_no_sequencer(log, monkeypatch, tmp_path):
    (line,) = [
        each
        for each in running._LOCKS.read_text().splitlines()
        if f":{(log.directory / LOCK_NAME).stat().st_ino} " in each
    ]
    (tmp_path / "locks").write_text(line.replace(": FLOCK", ": -> FLOCK"))
    monkeypatch.setattr(running, "_LOCKS", tmp_path / "locks")
    assert not is_running(log.directory)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_lock_that_others_can_take_says_nothing(log, mode):
    path = log.directory / LOCK_NAME
    path.chmod(mode)
    with locked(path):
        assert not is_running(log.directory)


@pytest.mark.parametrize("kind", ["link", "directory", "nothing"])
def test_what_is_no_file_of_the_log_cannot_be_its_lock(log, tmp_path, kind):
    path = log.directory / LOCK_NAME
    path.unlink()
    (tmp_path / "elsewhere").touch(0o600)
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "directory":
        path.mkdir(0o700)
    with locked(tmp_path / "elsewhere" if kind == "nothing" else path):
        assert not is_running(log.directory)


# What is not excused, although the lock is held


@pytest.fixture
def lock(log):
    """A lock that somebody took when the sequencer was gone."""
    with locked(log.directory / LOCK_NAME):
        assert is_running(log.directory)
        yield


def test_records_from_the_future_do_not_wait_for_a_checkpoint(log, writer):
    writer.commit([sealed_log.decision(1, pid=9)])
    assert check(log, later_seconds=-0.5).verdict is Verdict.INTACT
    assert check(log, later_seconds=-2).verdict is Verdict.INCOMPLETE


def test_a_last_record_from_the_future_is_not_excused_by_the_first(log, writer):
    log.seconds += 7
    writer.commit([sealed_log.decision(1, pid=9)])
    assert check(log).verdict is Verdict.INTACT
    assert check(log, later_seconds=-4).verdict is Verdict.INCOMPLETE


@pytest.mark.usefixtures("lock")
def test_a_torn_line_that_nobody_ends_is_not_being_written(log):
    with log.segment(3).open("ab") as stream:
        stream.write(b'{"half":')
    report = check(log)
    assert report.verdict is Verdict.INCOMPLETE
    assert "segment-000003.jsonl ends within a line" in messages(report)


@pytest.mark.usefixtures("lock")
def test_a_torn_checkpoint_that_nobody_ends_is_not_being_written(log):
    with (log.directory / checkpoints.NAME).open("ab") as stream:
        stream.write(b'{"i":')
    assert "ends within a line, with 5 bytes" in messages(check(log))


@pytest.mark.usefixtures("lock")
def test_a_shown_checkpoint_that_is_not_in_the_list_is_tampering(log):
    path = log.directory / checkpoints.NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert "lacks the checkpoint" in messages(report)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("name", ["segment-000004.jsonl", checkpoints.NAME])
def test_a_line_that_is_being_written_is_fine_when_it_ends(log, name):
    path = log.directory / name
    whole = path.read_bytes() + b'{"half":1}\n'
    path.write_bytes(whole[:-4])
    ending = threading.Timer(0.05, path.write_bytes, [whole])
    ending.start()
    report = check(log)
    ending.join()
    assert report.verdict is Verdict.INTACT, messages(report)
