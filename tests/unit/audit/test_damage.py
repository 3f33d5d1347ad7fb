"""A start refuses a log that was altered or damaged, and says which file it is; what only looks like a part of it is left alone."""

import gzip
import re
import shutil

import pytest

from deepseek_local.errors import AuditError


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda lines: [lines[0], lines[2]], "line 2 at byte .*: record 2 follows record 0"),
        (lambda lines: [lines[0], lines[2], lines[1]], "record 2 follows record 0"),
        (lambda lines: [lines[0], lines[1], lines[1]], "record 1 follows record 1"),
        (lambda lines: [lines[1], lines[2]], "begins with record 1 instead of 0"),
        (lambda lines: [lines[0], b"rubbish\n", lines[2]], "line 2 at byte .*: a line is not an audit record"),
        (lambda lines: [*lines[:2], b"\0" * 200 + b"\n"], "line 3 at byte .*: a line is not an audit record"),
        (lambda lines: [*lines, b"x" * 20_000, b"\n"], "line 4 at byte .*: the line is longer than 16384 bytes"),
        (lambda lines: [*lines, b"x" * 16_384, b"\n"], "line 4 at byte .*: the line is longer than 16384 bytes"),
    ],
)
def test_a_damaged_log_is_not_continued(desk, entry, damage, reason):
    log = desk.open()
    log.commit([entry(1), entry(2)])
    desk.close(log)
    lines = desk.segment(1).read_bytes().splitlines(keepends=True)
    desk.segment(1).write_bytes(b"".join(damage(lines)))
    with pytest.raises(AuditError, match=reason) as refused:
        desk.open()
    assert re.search(
        r"move .*audit and its keys aside as they are, for the investigation, and start with an empty directory",
        str(refused.value),
    )
    assert desk.names() == ["segment-000001.jsonl"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9],
        lambda data: data[:20] + b"\0" * 50 + data[70:],
        lambda _: b"rubbish",
        lambda data: data[:-6] + b"x" + data[-5:],
    ],
)
@pytest.mark.parametrize("is_replayed", [False, True])
def test_a_compressed_segment_that_is_damaged_is_named(desk, entry, damage, is_replayed):
    """The last one is read for its records; earlier ones too where the tree is built again."""
    log = desk.open()
    log.commit([entry(number) for number in range(1, 9)])
    log.stop("SIGTERM")
    desk.close(log)
    place = desk.segment(1)
    if is_replayed:
        desk.close(desk.open())
        shutil.rmtree(desk.directory / "tlog")
    desk.segment(1).with_name(f"{place.name}.gz").write_bytes(damage(gzip.compress(place.read_bytes())))
    place.unlink()
    with pytest.raises(
        AuditError, match=r"segment-000001\.jsonl\.gz cannot be uncompressed .*restore the file from its copy"
    ):
        desk.open()


@pytest.mark.parametrize(
    "name",
    [
        "segment-٠٠٠٠٠١.jsonl",
        "segment-٠٠٠٠٠٢.jsonl.gz",
        "segment-0000001.jsonl",
        "segment-1.jsonl",
        "segment-000009.jsonl.bak",
    ],
)
def test_what_only_looks_like_a_segment_is_told_and_left_alone(desk, entry, caplog, name):
    desk.directory.mkdir()
    (desk.directory / name).write_bytes(b"not ours\n")
    log = desk.open()
    log.commit([entry()])
    desk.close(log)
    desk.close(desk.open())
    assert desk.names() == sorted(["segment-000001.jsonl", "segment-000002.jsonl", name])
    assert f"{name} is no part of the log, although its name begins like one: move it away" in caplog.text
    assert (desk.directory / name).read_bytes() == b"not ours\n"


def test_a_missing_segment_is_noticed(desk, entry):
    log = desk.open(segment_bytes=1)
    log.commit([entry(1)])
    log.commit([entry(2)])
    desk.close(log)
    desk.segment(2).unlink()
    with pytest.raises(AuditError, match=r"segment-000002\.jsonl is missing, but segment-000003\.jsonl exists"):
        desk.open()


def test_a_hole_between_segments_is_noticed(desk):
    desk.close(desk.open())
    desk.close(desk.open())
    lines = desk.segment(2).read_bytes().splitlines(keepends=True)
    desk.segment(2).write_bytes(lines[1])  # the seal of segment 1 is gone, so segment 1 is read again
    with pytest.raises(AuditError, match=r"segment-000002\.jsonl begins with record 2 instead of 1"):
        desk.open()


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b'{"i":"\x80"}\n', b'{"i":' * 9000 + b"\n"])
def test_a_binary_list_of_checkpoints_is_named(desk, line):
    desk.open().stop("SIGTERM")
    desk.close(desk.opened[0])
    (desk.directory / "checkpoints.jsonl").write_bytes(line)
    with pytest.raises(
        AuditError, match=r"the last line of .*checkpoints\.jsonl is no checkpoint: .*restore the file from its copy"
    ):
        desk.open()
