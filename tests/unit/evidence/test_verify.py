import pytest
import sealed_log
from verifying import change, check, messages, now

from deepseek_local.errors import AuditError
from deepseek_local.evidence import checkpoints
from deepseek_local.evidence.report import Verdict
from deepseek_local.evidence.trust import Trust
from deepseek_local.evidence.verify import verify


def test_a_log_that_is_whole_is_intact(whole):
    report = check(whole)
    assert (report.verdict, report.problems) == (Verdict.INTACT, ())
    assert (report.first, report.records, report.segments, report.checkpoints) == (0, 37, 3, 7)
    assert report.has_tiles
    assert "all tiles are missing" not in "\n".join(report.lines())
    assert (report.tiles, report.sealed_records, report.unsealed_records, report.macs_checked) == (1, 37, 0, True)


def test_an_altered_record_is_named_with_file_and_offset(log):
    change(log, 3, b'"r4242-3"', b'"r4242-4"')
    problem = check(log).problems[0]
    content = log.segment(3).read_bytes()
    assert (problem.file, problem.offset) == (
        "segment-000003.jsonl",
        content.rindex(b"\n", 0, content.index(b'"cseq":3')) + 1,
    )
    assert problem.message.startswith(
        f"record {problem.record} was altered, segment-000003.jsonl at byte {problem.offset}: "
    )
    assert f'"seq":{problem.record},'.encode() in content[problem.offset :].splitlines()[0]


def test_without_tiles_the_altered_record_is_told_as_exactly_as_checkpoints_allow(log):
    (log.directory / "tlog/tile/0/000.p/37").unlink()
    change(log, 3, b'"r4242-3"', b'"r4242-4"')
    assert "a record between" in messages(check(log))


def test_a_record_that_was_left_out_is_named_by_its_number(log):
    lines = log.segment(3).read_bytes().splitlines(keepends=True)
    change(log, 3, lines[4], b"")
    report = check(log)
    assert (report.verdict, report.problems[0].offset) == (Verdict.TAMPERED, len(b"".join(lines[:4])))
    assert "stands where record" in messages(report)


def test_a_tile_that_was_altered_is_told_from_a_record(log):
    path = log.directory / "tlog/tile/0/000.p/37"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert messages(report).startswith(f"the tile {path} is not what the records say")


def test_a_tile_that_was_altered_accuses_no_record(log):
    """The hash that the tile has for an earlier record does not lead to the signed root, so it proves nothing."""
    path = log.directory / "tlog/tile/0/000.p/37"
    content = bytearray(path.read_bytes())
    content[31 * 32] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    change(log, 3, b'"r4242-5"', b'"r4242-4"')
    problem = check(log).problems[0]
    assert problem.message.startswith("a record between")
    assert problem.record is None


def test_a_record_of_another_version_is_named(log):
    line = log.segment(3).read_bytes().splitlines()[-1]
    change(log, 3, line, line.replace(b'"v":1', b'"v":3'))
    assert "this is no record of version 1" in messages(check(log))


def test_a_checkpoint_that_is_spelled_in_another_way_was_tampered_with(log):
    path = log.directory / checkpoints.NAME
    path.write_bytes(path.read_bytes().replace(b'{"i":3,', b'{"i": 3,'))
    report = check(log)
    assert report.verdict is Verdict.TAMPERED
    assert "line 4 of" in messages(report)


def test_a_missing_tile_leaves_the_log_incomplete(log):
    (log.directory / "tlog/tile/0/000.p/37").unlink()
    report = check(log)
    assert report.verdict is Verdict.INCOMPLETE
    assert "is missing; start the sequencer" in messages(report)


def test_a_log_without_any_tiles_can_be_verified(log):
    for path in (log.directory / "tlog/tile/0/000.p").iterdir():
        path.unlink()
    (log.directory / "tlog/tile/0/000.p").rmdir()
    (log.directory / "tlog/tile/0").rmdir()
    (log.directory / "tlog/tile").rmdir()
    report = check(log)
    assert (report.verdict, report.has_tiles) == (Verdict.INTACT, False)
    assert "all tiles are missing: the records vouch for themselves" in "\n".join(report.lines())


def test_a_torn_tail_that_was_altered_is_found(log):
    change(log, 2, b'{"act":"torn"', b'{"act":"worn"')
    assert "segment-000002.jsonl is not what record" in messages(check(log))


@pytest.mark.parametrize("name", ["nothing", "checkpoints.jsonl"])
def test_a_directory_without_records_is_never_intact(log, tmp_path, name):
    empty = tmp_path / "empty"
    empty.mkdir()
    if name == "checkpoints.jsonl":
        (empty / name).write_bytes((log.directory / name).read_bytes())
    report = verify(empty, log.trust)
    assert report.verdict is (Verdict.INCOMPLETE if name == "nothing" else Verdict.TAMPERED)


def test_a_directory_that_is_not_there_is_an_error_of_the_caller(log, tmp_path):
    with pytest.raises(AuditError, match="cannot list"):
        verify(tmp_path / "nowhere", log.trust)


def test_a_hole_in_what_a_process_counts_is_incomplete(log):
    writer = log.open(boot="boot-2")
    log.take(writer, [sealed_log.hello(9), sealed_log.decision(1, pid=9), sealed_log.decision(3, pid=9)])
    writer.stop("SIGTERM")
    writer.close()
    report = check(log)
    assert report.verdict is Verdict.INCOMPLETE
    assert "process 9 sent its records 2 to 2, and they are not in the log before record" in messages(report)


def test_a_line_of_the_writer_itself_must_be_a_record(log):
    change(log, 3, b'"gid":0', b'"gid":~')
    assert "this is no record" in messages(check(log))


def test_without_macs_the_report_says_so(log):
    report = verify(log.directory, Trust(log.trust.verifiers), now_seconds=now(log))
    assert report.verdict is Verdict.INTACT
    assert "without their MACs (give --mac-key)" in "\n".join(report.lines())
