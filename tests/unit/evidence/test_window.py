import dataclasses

import pytest
from verifying import change, check, messages

from deepseek_local.audit.log import Entry
from deepseek_local.audit.record import Kind
from deepseek_local.audit.wire import Request
from deepseek_local.errors import AuditError
from deepseek_local.evidence import checkpoints
from deepseek_local.evidence.checkpoints import Checkpoints
from deepseek_local.evidence.report import Verdict
from deepseek_local.evidence.window import Window


def kept(log, index: int) -> checkpoints.Stop:
    return list(Checkpoints(log.directory, log.trust).read())[index]


def test_a_window_is_read_in_whole_segments(whole):
    report = check(whole, Window(since=26))
    assert (report.verdict, report.first, report.segments) == (Verdict.INTACT, 26, 1)


def test_a_window_ends_with_the_checkpoint_after_it(whole):
    report = check(whole, Window(until=3))
    assert (report.verdict, report.first, report.segments) == (Verdict.INTACT, 0, 1)
    assert report.records >= 4


def test_what_was_altered_outside_of_a_window_is_not_seen(log):
    change(log, 2, b'"r77-2"', b'"r77-3"')
    assert check(log).verdict is Verdict.TAMPERED
    assert check(log, Window(since=30)).verdict is Verdict.INTACT


def test_what_was_altered_in_a_window_is_seen(log):
    change(log, 3, b'"r4242-3"', b'"r4242-4"')
    assert "was altered, segment-000003.jsonl" in messages(check(log, Window(since=30)))
    assert check(log, Window(until=3)).verdict is Verdict.INTACT


def test_moments_choose_segments_too(whole):
    first = "2026-11-24T11:00:00.000000Z"
    assert check(whole, Window(since=first)).first == 0
    assert check(whole, Window(since="2027-01-01T00:00:00.000000Z")).first == 26
    assert check(whole, Window(until="2026-11-24T12:00:02.500000Z")).segments == 1
    with pytest.raises(AuditError, match="there are no records from 30 until 3"):
        check(whole, Window(since=30, until=3))


def test_verification_goes_on_from_every_checkpoint_that_was_kept(whole):
    for index in range(7):
        report = check(whole, Window(trusted=kept(whole, index)))
        assert (report.verdict, report.problems) == (Verdict.INTACT, ())


def test_a_log_that_does_not_continue_the_kept_checkpoint_is_tampered_with(whole):
    for index in range(7):
        stop = kept(whole, index)
        other = dataclasses.replace(stop, checkpoint=dataclasses.replace(stop.checkpoint, root=bytes(32)))
        assert check(whole, Window(trusted=other)).verdict is Verdict.TAMPERED


def test_a_window_needs_the_tiles_of_what_is_before_it(log):
    (log.directory / "tlog/tile/0/000.p/37").unlink()
    report = check(log, Window(since=26))
    assert report.verdict is Verdict.INCOMPLETE
    assert "is missing; start the sequencer" in messages(report)


# Pruning


def declare(last: object, kind: Kind = Kind.ADMIN) -> Entry:
    fields = {"act": "audit_prune", "obj": "audit", "attr": {"first": 0, "last": last, "segments": 1}}
    return Entry(9, Request(1, kind, {**fields, "req": "r1", "dec": "allow"}))


def prune(log, *, on_record: bool, record: Entry = declare(20)) -> None:  # noqa: B008 -- immutable
    writer = log.open(boot="boot-2")
    if on_record:
        log.take(writer, [record])
    writer.stop("SIGTERM")
    writer.close()
    log.segment(1).with_name("segment-000001.jsonl.gz").unlink()


def test_a_beginning_that_was_pruned_is_proved_by_its_hashes(log):
    prune(log, on_record=True)
    report = check(log)
    assert (report.verdict, report.problems) == (Verdict.INTACT, ())
    assert (report.pruned_records, report.first) == (21, 21)


def test_a_beginning_that_is_missing_without_record_is_incomplete(log):
    prune(log, on_record=False)
    report = check(log)
    assert report.verdict is Verdict.INCOMPLETE
    assert "the log begins with record 21 in segment-000002.jsonl, and no record says" in messages(report)


@pytest.mark.parametrize("last", [19, -1, True, 20.0, "20", None, [20], 37, 38, 40, 2**62, 2**64])
def test_a_record_of_a_prune_excuses_what_was_before_its_segment_and_no_more(log, last):
    prune(log, on_record=True, record=declare(last))  # it stands in the segment that begins with record 37
    assert check(log).verdict is Verdict.INCOMPLETE


def test_no_other_kind_of_record_excuses_a_beginning(log):
    prune(log, on_record=True, record=declare(20, Kind.DECISION))
    assert check(log).verdict is Verdict.INCOMPLETE


def test_a_record_that_is_not_sealed_excuses_nothing(log):
    writer = log.open(boot="boot-2")
    writer.commit([declare(20)])
    log.segment(1).with_name("segment-000001.jsonl.gz").unlink()
    assert "no record says" in messages(check(log))
    writer.close()


def test_a_record_that_the_log_does_not_have_yet_or_any_more_is_no_intact_answer(whole):
    assert check(whole, Window(since=36)).verdict is Verdict.INTACT
    report = check(whole, Window(since=37, until=99))
    assert report.verdict is Verdict.INCOMPLETE
    assert messages(report).startswith("record 37 was asked for, but the log ends before record 37")
