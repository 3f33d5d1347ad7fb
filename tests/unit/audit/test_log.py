"""The log over all its segments: order, numbers, clocks, and what a start makes of what it finds."""

import hashlib
import os
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
