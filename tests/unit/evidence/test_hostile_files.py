"""Files that somebody else put where those of the log were: numbers out of bounds, other kinds of files, second copies of a segment."""

import gzip
import os
import socket
import struct

import pytest
from served import short_directory
from verifying import change, check, messages

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence import checkpoints, prunable, tiles_export
from deepseek_local.evidence.log import lines, segments, seq_of
from deepseek_local.evidence.report import Verdict

# Numbers


@pytest.mark.parametrize("number", ["-1", "2.0", "36.5", str(2**63), str(2**64), "9" * 400, "9" * 5000, "true", "null"])
@pytest.mark.parametrize("name", ["seq", "cseq", "pid"])
def test_a_number_out_of_bounds_is_tampering(log, name, number):
    line = log.segment(3).read_bytes().splitlines(keepends=True)[-2]
    value = line[line.index(f'"{name}":'.encode()) :].split(b",")[0]
    change(log, 3, line, line.replace(value, f'"{name}":{number}'.encode()))
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert report.problems[0].file == "segment-000003.jsonl"


@pytest.mark.parametrize("number", ["-1", str(2**63), "9" * 5000, "1.0"])
def test_a_first_record_with_such_a_number_has_none(log, number):
    path = log.segment(3)
    path.chmod(0o600)
    first, rest = path.read_bytes().split(b"\n", 1)
    seq = first[first.index(b'"seq":') :].split(b",")[0]
    path.write_bytes(first.replace(seq, f'"seq":{number}'.encode()) + b"\n" + rest)
    assert seq_of(path.read_bytes().split(b"\n", 1)[0]) is None
    assert check(log).verdict is Verdict.TAMPERED


# Kinds of files

NAMES = (
    "segment-000001.jsonl.gz",
    "segment-000003.jsonl",
    "checkpoints.jsonl",
    "tlog/checkpoint",
    "tlog/tile/0/000.p/37",
)


def put(kind: str, path, tmp_path) -> None:
    content = path.read_bytes()
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "link":  # to a file that is just as it was
            (tmp_path / "elsewhere").write_bytes(content)
            path.symlink_to(tmp_path / "elsewhere")
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["pipe", "directory", "device", "link", "dangling"])
@pytest.mark.parametrize("name", NAMES)
def test_only_a_regular_file_is_a_file_of_the_log(log, tmp_path, name, kind):
    put(kind, log.directory / name, tmp_path)
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert f"{log.directory / name} is no regular file" in messages(report)


@pytest.mark.parametrize("name", NAMES)
def test_a_socket_is_no_file_of_the_log(whole, name):
    with short_directory() as home, socket.socket(socket.AF_UNIX) as listener:
        copy = whole.copy(home / "copy")
        (copy.directory / name).unlink()
        listener.bind(str(copy.directory / name))
        report = check(copy)
        assert report.verdict is Verdict.TAMPERED
        assert "is no regular file" in messages(report)


@pytest.mark.parametrize("kind", ["pipe", "directory", "link"])
def test_those_who_only_read_do_not_wait_for_a_pipe(log, tmp_path, kind):
    put(kind, log.segment(3), tmp_path)
    with pytest.raises(TamperedError, match=r"segment-000003\.jsonl is no regular file"):
        list(lines(log.directory))
    put(kind, log.directory / checkpoints.NEWEST, tmp_path)
    with pytest.raises(TamperedError, match="tlog/checkpoint is no regular file"):
        tiles_export.export_tiles(log.directory, tmp_path / "tiles")
    os.mkfifo(tmp_path / "kept")
    with pytest.raises(AuditError, match="cannot read"):
        checkpoints.read_note(tmp_path / "kept", log.trust)


def test_a_tile_with_more_than_its_hashes_is_not_read_without_end(log):
    os.truncate(log.directory / "tlog/tile/0/000.p/37", 1 << 40)
    assert check(log).verdict is Verdict.TAMPERED


# Names


@pytest.mark.parametrize("name", ["segment-٠٠٠٠٠٩.jsonl", "segment-0000009.jsonl", "segment-00009.jsonl", "segment-000009.jsonl.gz.gz"])  # fmt: skip
def test_a_name_that_the_sequencer_does_not_write_is_no_segment(log, name):
    (log.directory / name).write_bytes(b"")
    assert [each.number for each in segments(log.directory)] == [1, 2, 3]
    assert check(log).verdict is Verdict.INTACT


def test_names_grow_behind_a_million(tmp_path):
    for number in (999_999, 1_000_000):
        (tmp_path / f"segment-{number}.jsonl").touch()
    assert [each.number for each in segments(tmp_path)] == [999_999, 1_000_000]


# Two files for one segment


def test_a_segment_that_is_there_twice_after_a_crash_is_one(log):
    log.segment(1).write_bytes(gzip.decompress(log.segment(1).with_suffix(".jsonl.gz").read_bytes()))
    report = check(log)
    assert (report.verdict, report.problems) == (Verdict.INTACT, ())


@pytest.mark.parametrize("content", [b"", b"other", None], ids=["nothing", "another", "more"])
def test_a_second_copy_of_a_segment_with_another_content_is_tampering(log, content):
    whole = log.segment(3).read_bytes()
    twin = log.directory / "segment-000003.jsonl.gz"
    twin.write_bytes(gzip.compress(whole + whole if content is None else content))
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert f"segment-000003.jsonl and {twin.name} are not the same" in messages(report)


def test_a_segment_with_another_twin_is_never_pruned(log):
    log.segment(1).write_bytes(gzip.decompress(log.segment(1).with_suffix(".jsonl.gz").read_bytes()) + b"x")
    with pytest.raises(TamperedError, match="are not the same"):
        prunable.plan(log.directory, "2027-01-01T00:00:00.000000Z")


# What a compressed segment may be


def compressed(log) -> tuple[object, bytes]:
    path = log.directory / "segment-000001.jsonl.gz"
    path.chmod(0o600)
    return path, path.read_bytes()


@pytest.mark.parametrize(
    "behind",
    [b"\0", b"\0" * 512, b"x", gzip.compress(b""), gzip.compress(b"more\n")],
    ids=["zero", "zeros", "byte", "empty member", "member"],
)
def test_nothing_stands_behind_the_content_of_a_compressed_segment(log, behind):
    path, content = compressed(log)
    path.write_bytes(content + behind)
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert "cannot be uncompressed (something stands behind its content)" in messages(report)


@pytest.mark.parametrize("change", [b"crc", b"length"])
def test_the_sums_of_a_compressed_segment_must_be_right(log, change):
    path, content = compressed(log)
    crc, length = struct.unpack("<II", content[-8:])
    path.write_bytes(content[:-8] + struct.pack("<II", crc ^ (change == b"crc"), length ^ (change == b"length")))
    assert check(log).verdict is Verdict.TAMPERED


def test_a_segment_that_another_program_compressed_is_the_same(log):
    """The container is not what is proved: its header has a name and a time, its data another level."""
    path, content = compressed(log)
    with path.open("wb") as raw, gzip.GzipFile("segment-000001.jsonl", "wb", 1, raw, 1_700_000_000) as stream:
        stream.write(gzip.decompress(content))
    assert check(log).verdict is Verdict.INTACT


def test_every_bit_of_a_compressed_segment_counts_but_those_that_mean_nothing(log):
    path, content = compressed(log)
    segment = segments(log.directory)[0]
    whole = list(segment.pieces())
    free = set()
    for at in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        try:
            if list(segment.pieces()) == whole:
                free.add(at)
        except TamperedError:
            continue
    bits = set(range(8 * len(content)))
    is_text, time_and_system = {3 * 8}, set(range(4 * 8, 10 * 8))
    head, sums = set(range(10 * 8)), set(sorted(bits)[-8 * 8 :])
    assert free & head == is_text | time_and_system
    assert not free & sums
    assert len(free - head) < 16  # padding, and code lengths of symbols that do not occur
