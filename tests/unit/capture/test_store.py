"""The store of captured texts: nothing readable on disk, nothing altered unnoticed, nothing without the keys."""

import hashlib
import os
import resource
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.capture import day_keys
from deepseek_local.capture.store import Store
from deepseek_local.errors import AuditError

KEY = bytes(range(32))
TEXT = b"canary: the patient has a broken arm"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "capture"


def store(directory: Path, key: bytes = KEY, now: datetime = NOON) -> Store:
    return Store(directory, key, lambda: now)


def file_of(directory: Path, digest: str) -> Path:
    return directory / "2026-11-24" / digest.removeprefix("sha256:")


@pytest.mark.parametrize("text", [b"", TEXT, bytes(100_000)])
def test_a_text_comes_back_byte_for_byte_in_another_process(directory: Path, text: bytes):
    digest = store(directory).put(text)
    assert store(directory).get(digest) == text


def test_nothing_on_disk_tells_the_text_and_nobody_else_may_look(directory: Path):
    one = store(directory)
    first, second = one.put(TEXT), one.put(TEXT)
    assert first != second
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert not any(b"canary" in path.read_bytes() for path in files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((directory / "2026-11-24").stat().st_mode) == 0o700


def test_processes_of_one_day_share_its_key_and_another_day_has_its_own(directory: Path):
    digests = [store(directory, now=now).put(TEXT) for now in (NOON, NOON, NOON.replace(day=25))]
    assert [store(directory).get(digest) for digest in digests] == [TEXT] * 3
    keys = [path.read_bytes() for path in sorted(directory.glob("*/key"))]
    assert len(set(keys)) == 2


def test_one_store_takes_a_new_key_at_midnight(directory: Path):
    moments = [NOON, NOON.replace(day=25)]
    one = Store(directory, KEY, lambda: moments.pop(0))
    digests = [one.put(TEXT), one.put(TEXT)]
    (directory / "2026-11-24" / "key").unlink()
    assert one.get(digests[1]) == TEXT
    with pytest.raises(AuditError, match="without the key of its day a text is gone"):
        one.get(digests[0])


def test_a_clock_that_goes_back_over_midnight_finds_the_key_of_the_day_before(directory: Path):
    moments = [NOON, NOON.replace(day=25), NOON]
    one = Store(directory, KEY, lambda: moments.pop(0))
    digests = [one.put(TEXT) for _ in range(3)]
    assert [store(directory).get(digest) for digest in digests] == [TEXT] * 3
    assert len(list(directory.glob("*/key"))) == 2


def test_a_process_that_is_late_uses_the_key_that_another_has_just_made(
    directory: Path, monkeypatch: pytest.MonkeyPatch
):
    late, sync = store(directory), day_keys.sync_directory

    def faster(path: Path) -> None:
        """Another process begins the day after the late one has found no key, and stores a text."""
        monkeypatch.setattr(day_keys, "sync_directory", sync)
        store(directory).put(TEXT)
        sync(path)

    monkeypatch.setattr(day_keys, "sync_directory", faster)
    assert store(directory).get(late.put(TEXT)) == TEXT


def test_processes_that_begin_a_day_together_use_one_key(directory: Path):
    together = threading.Barrier(8)

    def put(_) -> str:
        one = store(directory)
        together.wait(10)
        return one.put(TEXT)

    with ThreadPoolExecutor(8) as threads:
        digests = list(threads.map(put, range(8)))
    assert [store(directory).get(digest) for digest in digests] == [TEXT] * 8


def test_without_the_key_of_its_texts_nothing_more_is_captured_on_a_day(directory: Path):
    one = store(directory)
    one.put(TEXT)
    key = (directory / "2026-11-24" / "key").rename(directory / "copy")
    for each in (one, store(directory)):
        with pytest.raises(AuditError, match="key is missing, and the texts beside it are unreadable"):
            each.put(TEXT)
    key.rename(directory / "2026-11-24" / "key")
    assert one.get(one.put(TEXT)) == TEXT


def test_a_day_whose_beginning_was_interrupted_is_begun_again(directory: Path):
    (directory / "2026-11-24").mkdir(parents=True)
    (directory / "2026-11-24" / ".key.0123456789abcdef").write_bytes(b"half")
    assert store(directory).get(store(directory).put(TEXT)) == TEXT


def test_a_new_day_is_durable_before_its_first_text(directory: Path, monkeypatch: pytest.MonkeyPatch):
    synced, sync = [], os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    directory.mkdir()
    monkeypatch.setattr(os, "fsync", noted)
    store(directory).put(TEXT)
    assert synced.index(directory) < synced.index(directory / "2026-11-24")


def test_a_full_disk_leaves_no_half_text_and_is_an_error(directory: Path):
    one = store(directory)
    one.put(TEXT)
    before = sorted(directory.rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))  # writes beyond it fail, as on a full disk
    try:
        with pytest.raises(AuditError, match="could not be captured"):
            one.put(TEXT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(directory.rglob("*")) == before
    assert one.get(one.put(TEXT)) == TEXT


@pytest.mark.parametrize("content", [b"", b"DSC1", b"DSC1" + bytes(20), b"XXXX" + bytes(50)])
def test_a_file_of_somebody_else_is_no_text(directory: Path, content: bytes):
    store(directory).put(TEXT)
    name = hashlib.sha256(content).hexdigest()
    (directory / "2026-11-24" / name).write_bytes(content)
    with pytest.raises(AuditError, match="no captured text"):
        store(directory).get(f"sha256:{name}")


def test_what_is_no_file_is_not_waited_for(directory: Path):
    digest = store(directory).put(TEXT)
    file_of(directory, digest).unlink()
    os.mkfifo(file_of(directory, digest))
    with pytest.raises(AuditError, match="not a regular file"):
        store(directory).get(digest)


@pytest.mark.parametrize("size", [0, 3, 20, 63, 65])
def test_a_key_of_another_length_opens_nothing(directory: Path, size: int):
    digest = store(directory).put(TEXT)
    key = directory / "2026-11-24" / "key"
    key.write_bytes((key.read_bytes() + b"x")[:size])
    for use in (lambda: store(directory).get(digest), lambda: store(directory).put(TEXT)):
        with pytest.raises(AuditError, match="no key of a day"):
            use()


@given(st.data())
def test_any_altered_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, data):
    directory = tmp_path_factory.mktemp("capture")
    digest = store(directory).put(TEXT)
    path = data.draw(st.sampled_from([file_of(directory, digest), directory / "2026-11-24" / "key"]))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(AuditError):
        store(directory).get(digest)


def test_a_text_is_not_taken_for_one_of_another_day(directory: Path):
    digest = store(directory).put(TEXT)
    store(directory, now=NOON.replace(day=25)).put(TEXT)
    for name in ("key", digest.removeprefix("sha256:")):
        (directory / "2026-11-24" / name).replace(directory / "2026-11-25" / name)
    with pytest.raises(AuditError, match="not wrapped by the key of this site"):
        store(directory).get(digest)


def test_another_key_of_the_site_opens_nothing(directory: Path):
    digest = store(directory).put(TEXT)
    with pytest.raises(AuditError, match="not wrapped by the key of this site"):
        store(directory, bytes(32)).get(digest)


@pytest.mark.parametrize(
    ("digest", "told"),
    [("sha256:" + "0" * 64, "nothing was captured"), ("k1:00", "no digest"), ("sha256:../key", "no digest")],
)
def test_what_was_not_captured_is_told(directory: Path, digest: str, told: str):
    store(directory).put(TEXT)
    with pytest.raises(AuditError, match=told):
        store(directory).get(digest)


def test_a_place_that_cannot_be_written_is_an_error(directory: Path):
    directory.write_text("a file")
    with pytest.raises(AuditError, match="could not be captured"):
        store(directory).put(TEXT)
