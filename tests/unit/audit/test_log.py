"""The log over all its segments: order, numbers, clocks, and what a start makes of what it finds."""

import gzip
import hashlib
import os
import re
import shutil
import stat

import pytest

from deepseek_local.audit.log import Log, Origin
from deepseek_local.errors import AuditError


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_the_first_start_begins_segment_one_at_record_zero(desk):
    desk.open()
    assert desk.names() == ["segment-000001.jsonl"]
    assert desk.records(1) == [
        {
            "v": 1, "seq": 0, "cseq": 0, "ts": "2026-11-24T12:00:00.000000Z", "mono": 1_000_000_000_000,
            "boot": "boot-1", "node": "gpu01", "pid": 1, "kind": "start",
        }
    ]  # fmt: skip
    assert mode(desk.segment(1)) == 0o600


def test_a_commit_numbers_its_entries_and_dates_them_alike(desk, entry):
    log = desk.open()
    desk.pass_time(0.5)
    log.commit([entry(1), entry(2)])
    first, second = desk.records(1)[1:]
    assert (first["seq"], first["cseq"], first["pid"]) == (1, 1, 42)
    assert (second["seq"], second["cseq"], second["pid"]) == (2, 2, 42)
    assert first["ts"] == second["ts"] == "2026-11-24T12:00:00.500000Z"


def test_a_start_after_a_stop_goes_on_in_a_new_segment_that_seals_the_old_one(desk, entry):
    log = desk.open()
    log.commit([entry()])
    log.stop("SIGTERM")
    desk.close(log)
    desk.open()
    sealed, start = desk.records(2)
    content = desk.segment(1).read_bytes()
    assert desk.kinds(1) == ["start", "admin", "stop"]
    assert desk.records(1)[-1]["reason"] == "SIGTERM"
    assert (sealed["kind"], sealed["seq"], start["kind"], start["seq"]) == ("segment_sealed", 3, "start", 4)
    assert {key: sealed[key] for key in ("segment", "bytes", "digest", "records", "first", "last")} == {
        "segment": "segment-000001.jsonl", "bytes": len(content), "digest": digest(content), "records": 3, "first": 0, "last": 2,
    }  # fmt: skip
    assert mode(desk.segment(1)) == 0o440


def test_a_torn_tail_stays_and_is_named_in_the_first_record_of_the_next_segment(desk, entry):
    log = desk.open()
    log.commit([entry()])
    desk.close(log)
    whole = desk.segment(1).read_bytes()
    torn = b'{"act":"test","boot":"bo'
    desk.segment(1).write_bytes(whole + torn)
    desk.open()
    recovery, sealed, start = desk.records(2)
    assert [each["seq"] for each in (recovery, sealed, start)] == [2, 3, 4]
    assert {key: recovery[key] for key in ("kind", "segment", "offset", "length", "digest")} == {
        "kind": "recovery", "segment": "segment-000001.jsonl", "offset": len(whole), "length": len(torn), "digest": digest(torn),
    }  # fmt: skip
    assert (sealed["kind"], sealed["bytes"], sealed["digest"], sealed["records"]) == (
        "segment_sealed", len(whole + torn), digest(whole + torn), 2,
    )  # fmt: skip
    assert desk.segment(1).read_bytes() == whole + torn


def test_a_segment_that_holds_only_a_torn_line_is_passed_over(desk):
    desk.close(desk.open())
    desk.segment(2).write_bytes(b'{"torn')
    desk.open()
    assert desk.kinds(3) == ["recovery", "segment_sealed", "segment_sealed", "start"]
    assert [each["segment"] for each in desk.records(3)[:3]] == [desk.segment(number).name for number in (2, 1, 2)]
    assert [each["seq"] for each in desk.records(3)] == [1, 2, 3, 4]
    assert desk.records(3)[2]["first"] is None


def test_an_empty_segment_of_a_failed_start_is_taken_over(desk):
    desk.close(desk.open())
    desk.segment(2).touch()
    desk.open()
    assert desk.names() == ["segment-000001.jsonl", "segment-000002.jsonl"]
    assert desk.kinds(2) == ["segment_sealed", "start"]


def test_a_start_that_died_between_its_first_records_leaves_nothing_undeclared(desk):
    desk.close(desk.open())
    desk.segment(1).write_bytes(desk.segment(1).read_bytes() + b"torn")
    desk.close(desk.open())
    first, *_ = desk.segment(2).read_bytes().splitlines(keepends=True)
    desk.segment(2).write_bytes(first + b'{"act')  # only `recovery` of segment 1 is whole
    desk.open()
    assert desk.kinds(3) == ["recovery", "recovery", "segment_sealed", "segment_sealed", "start"]
    assert [each["segment"][-7] for each in desk.records(3)[:4]] == ["1", "2", "1", "2"]
    assert [each["seq"] for each in desk.records(3)] == [2, 3, 4, 5, 6]


def test_a_full_segment_is_followed_by_one_that_seals_it(desk, entry):
    log = desk.open(segment_bytes=500)
    for number in range(1, 9):
        log.commit([entry(number)])
    names = desk.names()
    assert len(names) > 2
    assert all(desk.kinds(number)[0] == "segment_sealed" for number in range(2, len(names) + 1))
    seqs = [each["seq"] for number in range(1, len(names) + 1) for each in desk.records(number)]
    assert seqs == list(range(len(seqs)))
    for number in range(1, len(names)):
        seal = desk.records(number + 1)[0]
        assert seal["digest"] == digest(desk.segment(number).read_bytes())
        assert (seal["first"], seal["last"]) == (desk.records(number)[0]["seq"], desk.records(number)[-1]["seq"])
        assert mode(desk.segment(number)) == 0o440


def test_the_turn_of_the_day_begins_a_segment(desk, entry):
    log = desk.open()
    desk.pass_time(12 * 3600 - 1)
    log.commit([entry(1)])
    assert desk.names() == ["segment-000001.jsonl"]
    desk.pass_time(1)
    log.commit([entry(2)])
    assert desk.kinds(2) == ["segment_sealed", "admin"]


def test_a_segment_that_is_already_sealed_is_not_read_again(desk, entry):
    log = desk.open(segment_bytes=1)
    log.commit([entry()])
    log.stop("SIGTERM")
    desk.close(log)
    desk.segment(1).chmod(0o600)
    desk.segment(1).write_bytes(b"damaged\n")
    desk.open()
    assert desk.kinds(4) == ["segment_sealed", "start"]


def test_a_wall_clock_set_back_is_recorded_before_the_next_record(desk, entry):
    log = desk.open()
    desk.pass_time(-3600, mono=10)
    log.commit([entry()])
    log.commit([entry(2)])
    assert desk.kinds(1) == ["start", "clock_step", "admin", "admin"]
    assert desk.records(1)[1]["step_ns"] == -3610 * 10**9


def test_a_wall_clock_set_while_the_sequencer_was_down_is_recorded_too(desk):
    desk.close(desk.open())
    desk.pass_time(7200, mono=10)
    desk.open()
    assert desk.kinds(2) == ["segment_sealed", "clock_step", "start"]
    assert desk.records(2)[1]["step_ns"] == 7190 * 10**9


def test_after_a_boot_the_clocks_cannot_be_compared(desk):
    desk.close(desk.open())
    desk.pass_time(7200, mono=-900)
    desk.open(boot="boot-2")
    assert desk.kinds(2) == ["segment_sealed", "start"]


def test_an_unreadable_time_is_named(desk):
    desk.close(desk.open())
    desk.segment(1).write_bytes(desk.segment(1).read_bytes().replace(b"2026-11-24", b"2026-13-24"))
    with pytest.raises(AuditError, match="audit record 0 has an unreadable time"):
        desk.open()


def test_two_logs_cannot_be_open_on_one_directory(desk):
    desk.open()
    with pytest.raises(AuditError, match=r"another audit sequencer writes to .*audit: stop it first"):
        desk.open()
    assert desk.names() == ["segment-000001.jsonl"]


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


def test_a_pruned_beginning_is_no_hole(desk, entry):
    log = desk.open(segment_bytes=1)
    log.commit([entry(1)])
    log.stop("SIGTERM")
    desk.close(log)
    desk.segment(1).unlink()
    desk.open()
    assert desk.records(4)[-1]["seq"] == 6


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match=r"cannot create .*file/audit: Not a directory \(ENOTDIR\)"):
        Log(tmp_path / "file" / "audit", tmp_path, Origin("gpu01", "boot-1", 1))


@pytest.mark.parametrize("name", ["", "-x", "gpu 01", "gpu\n01", "g" * 129, "主机"])
def test_a_node_name_must_fit_into_a_record(name):
    with pytest.raises(AuditError, match="the node name"):
        Origin.here(name)
    assert Origin.here("gpu-01.example").pid == os.getpid()


def test_a_refused_start_gives_the_directory_back(desk):
    desk.close(desk.open())
    whole = desk.segment(1).read_bytes()
    desk.segment(1).write_bytes(b"rubbish\n")
    with pytest.raises(AuditError, match="not an audit record"):
        desk.open()
    desk.segment(1).write_bytes(whole)
    desk.open()
