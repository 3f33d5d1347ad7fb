"""Sealed segments get smaller without a byte of theirs being lost."""

import errno
import gzip
import os
import stat
import threading
import zlib
from pathlib import Path

import pytest

from deepseek_local.audit import compression
from deepseek_local.audit.compression import Compressor, compress
from deepseek_local.errors import AuditError

GOING_ON = threading.Event()


@pytest.fixture
def segment(tmp_path) -> Path:
    place = tmp_path / "segment-000001.jsonl"
    place.write_bytes(b'{"seq":0}\n' * 100_000)
    return place


def compressed(segment) -> Path:
    return segment.with_name(f"{segment.name}.gz")


def refuse_removal(monkeypatch, number: int) -> None:
    """Let nothing be removed, as on a volume that has become read-only."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "unlink", refuse)


def test_a_compressed_segment_holds_the_same_bytes_and_nobody_may_write_it(segment):
    content = segment.read_bytes()
    compress(segment, GOING_ON)
    assert [path.name for path in segment.parent.iterdir()] == ["segment-000001.jsonl.gz"]
    assert gzip.decompress(compressed(segment).read_bytes()) == content
    assert stat.S_IMODE(compressed(segment).stat().st_mode) == 0o440


def test_the_same_segment_always_gives_the_same_file(segment):
    content = segment.read_bytes()
    compress(segment, GOING_ON)
    first = compressed(segment).read_bytes()
    segment.write_bytes(content)
    compress(segment, GOING_ON)
    assert compressed(segment).read_bytes() == first
    assert first[4:8] == bytes(4)  # no time
    assert not first[3]  # and no name


def test_what_a_crash_has_left_is_done_again(segment):
    content = segment.read_bytes()
    compressed(segment).write_bytes(b"half")
    segment.with_name(f".{segment.name}.gz.new").write_bytes(b"a draft")
    compress(segment, GOING_ON)
    compress(segment, GOING_ON)
    assert [path.name for path in segment.parent.iterdir()] == ["segment-000001.jsonl.gz"]
    assert gzip.decompress(compressed(segment).read_bytes()) == content


def test_the_plain_file_stays_when_the_disk_gives_back_something_else(segment, monkeypatch):
    content = segment.read_bytes()
    monkeypatch.setattr(compression, "_digest", lambda *_: b"another")
    with pytest.raises(AuditError, match=r"does not hold what .*segment-000001\.jsonl does"):
        compress(segment, GOING_ON)
    assert [path.read_bytes() for path in segment.parent.iterdir()] == [content]


def test_a_draft_that_cannot_be_read_back_is_named(segment, monkeypatch):
    def fail(*_):
        raise zlib.error("invalid block type")

    monkeypatch.setattr(compression, "_digest", fail)
    with pytest.raises(AuditError, match="cannot be read back"):
        compress(segment, GOING_ON)
    assert segment.exists()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO])
def test_a_draft_that_cannot_be_removed_is_told_like_any_failure(segment, monkeypatch, number):
    refuse_removal(monkeypatch, number)
    with pytest.raises(AuditError, match=rf"cannot compress .*segment-000001\.jsonl: .*\({errno.errorcode[number]}\)"):
        compress(segment, GOING_ON)
    assert segment.exists()


@pytest.mark.parametrize("error", [OSError(errno.EROFS, os.strerror(errno.EROFS)), MemoryError("no more")])
def test_the_thread_lives_on_whatever_happens(segment, monkeypatch, caplog, error):
    def fail(*_, **__):
        raise error

    with Compressor(segment.parent) as compressor:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", fail)
            compressor.below(2)
            while "a segment stays uncompressed" not in caplog.text:
                pass
        compressor.below(3)
        while segment.exists():
            pass
    assert gzip.decompress(compressed(segment).read_bytes()).startswith(b'{"seq":0}')


def test_the_end_of_the_sequencer_does_not_wait_for_a_segment(segment):
    ending = threading.Event()
    ending.set()
    compress(segment, ending)
    assert [path.name for path in segment.parent.iterdir()] == ["segment-000001.jsonl"]


def test_the_thread_takes_every_segment_below_the_one_that_is_written(tmp_path, caplog):
    for number in (1, 2, 3):
        (tmp_path / f"segment-{number:06d}.jsonl").write_bytes(b"{}\n")
    with Compressor(tmp_path) as compressor:
        compressor.below(3)
        while len(list(tmp_path.glob("segment-*.gz"))) < 2 or list(tmp_path.glob(".segment*")):
            pass
    assert (tmp_path / "segment-000003.jsonl").exists()
    assert not caplog.records


def test_a_failure_is_told_and_the_thread_lives_on(tmp_path, caplog):
    place = tmp_path / "audit"
    with Compressor(place) as compressor:
        compressor.below(2)
        while not caplog.records:
            pass
        place.mkdir()
        (place / "segment-000002.jsonl").write_bytes(b"{}\n")
        compressor.below(3)
        while not (place / "segment-000002.jsonl.gz").exists():
            pass
    assert "a segment stays uncompressed: cannot list" in caplog.text
