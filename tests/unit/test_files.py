"""File operations whose details matter: what is seen, by whom, and what survives a power cut."""

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from deepseek_local import files
from deepseek_local.files import Watch


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_as_a_whole_and_gets_its_mode(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old and longer")
    files.write_atomic(path, b"new", mode=0o640)
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_content_and_name_are_durable_in_this_order(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    path.write_text("old")
    synced = []

    def note(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), path.read_text()))

    monkeypatch.setattr(os, "fsync", note)
    files.write_atomic(path, b"new")
    (draft, before), (directory, after) = synced
    assert draft.startswith(f"{tmp_path}/.state.json.")
    assert (before, directory, after) == ("old", str(tmp_path), "new")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    path.write_text("old")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_for_a_service_belongs_to_the_service(tmp_path):
    os.chown(tmp_path, 4711, 4712)
    fresh, kept = tmp_path / "fresh.json", tmp_path / "kept.json"
    kept.touch()
    os.chown(kept, 4713, 4714)
    for path in (fresh, kept):
        files.write_atomic(path, b"new", keep_owner=True)
    os.close(files.lock(fresh))
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()}
    assert owners == {"fresh.json": (4711, 4712), ".fresh.json.lock": (4711, 4712), "kept.json": (4713, 4714)}
    files.write_atomic(fresh, b"newer")
    assert fresh.stat().st_uid == 0


def test_a_lock_is_held_until_it_is_closed(tmp_path):
    path = tmp_path / "state.json"
    held = files.lock(path)
    waiting = threading.Thread(target=lambda: os.close(files.lock(path)))
    waiting.start()
    with pytest.raises(BlockingIOError), (tmp_path / ".state.json.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held)
    waiting.join()


def test_the_umask_does_not_change_the_mode_of_a_directory(tmp_path):
    previous = os.umask(0o077)
    try:
        files.make_directory(tmp_path / "a" / "b", 0o750)
    finally:
        os.umask(previous)
    assert mode(tmp_path / "a" / "b") == 0o750


def test_a_new_directory_is_durable_with_its_new_parents(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    files.make_directory(tmp_path / "a" / "b")
    assert set(synced) == {tmp_path, tmp_path / "a"}
    files.make_directory(tmp_path / "a" / "b")
    assert len(synced) == 2


@pytest.mark.parametrize(
    ("bits", "private"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o602, False)]
)
def test_private_is_what_nobody_else_can_read_or_write(tmp_path, bits, private):
    path = tmp_path / "key"
    path.touch()
    path.chmod(bits)
    assert files.is_private(path) is private


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_watch_looks_again_only_after_its_interval(tmp_path):
    path, clock = tmp_path / "users.csv", Clock()
    watch = Watch([path], interval_seconds=0.25, clock=clock)
    assert watch.stamps() == (None,)
    path.write_text("g, u:alice, operator\n")
    clock.seconds = 0.24
    assert watch.stamps() == (None,)
    clock.seconds = 0.25
    (stamp,) = watch.stamps()
    assert stamp is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("longer than before"),
        lambda path: path.chmod(0o640),
        lambda path: os.utime(path, (1, 1)),
        lambda path: files.write_atomic(path, path.read_bytes(), mode(path)),
        lambda path: path.unlink(),
    ],
    ids=["written", "another mode", "another time", "replaced by the same", "removed"],
)
def test_a_watch_sees_every_kind_of_change(tmp_path, change):
    path, clock = tmp_path / "users.csv", Clock()
    path.write_text("short")
    watch = Watch([path], clock=clock)
    before = watch.stamps()
    change(path)
    clock.seconds = 1.0
    assert watch.stamps() != before


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_only_regular_files_are_read_and_nothing_is_waited_for(tmp_path, kind):
    path = tmp_path / "input"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        files.read_regular(path, 100)


def test_no_more_of_a_file_is_read_than_asked_for(tmp_path):
    path = tmp_path / "input"
    path.write_bytes(b"0123456789")
    assert files.read_regular(path, 4) == b"0123"
    assert files.read_regular(path, 100) == b"0123456789"


def test_a_new_file_is_private_complete_and_alone(tmp_path):
    path = tmp_path / "key"
    files.write_new(path, b"content")
    assert path.read_bytes() == b"content"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_never_takes_the_place_of_one_that_is_there(tmp_path):
    path = tmp_path / "key"
    files.write_new(path, b"first")
    with pytest.raises(FileExistsError):
        files.write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
