"""The newest records, and those to come."""

import json

import pytest
from stored_log import StoredLog

from deepseek_local.cli.main import run
from deepseek_local.errors import AuditError
from deepseek_local.evidence.tail import Tail


def seqs(lines) -> list[int]:
    return [json.loads(line)["seq"] for line in lines]


@pytest.fixture
def log(tmp_path):
    """Twelve records in four segments, the first two compressed."""
    log = StoredLog(tmp_path / "audit")
    log.append(3)
    for _ in range(3):
        log.rotate()
        log.append(2)
    for number in (1, 2):
        log.compress(log.directory / f"segment-{number:06d}.jsonl")
    return log


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 12, 1000])
def test_the_newest_records_come_in_order_over_segments_plain_and_compressed(log, count):
    assert seqs(Tail(log.directory).last(count)) == list(range(12))[max(12 - count, 0) :]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_what_is_written_later_comes_once_over_rotations(log, count):
    tail = Tail(log.directory)
    tail.last(count)
    assert list(tail.new()) == []
    log.append(2)
    log.rotate()
    log.append(1)
    assert seqs(tail.new()) == list(range(12, 16))
    assert list(tail.new()) == []


def test_a_segment_that_is_compressed_while_it_is_followed_goes_on_where_it_was(log):
    tail = Tail(log.directory)
    tail.last(0)
    log.append(2)
    log.compress(log.rotate())
    assert seqs(tail.new()) == [12, 13, 14]


@pytest.mark.parametrize(("seq", "first"), [(0, 0), (2, 0), (3, 3), (5, 3), (6, 6), (11, 9), (12, 9), (99, 9)])
def test_one_can_stand_before_any_record(log, seq, first):
    assert next(iter(seqs(Tail.near(log.directory, seq).new()))) == first


def test_an_empty_log_can_be_followed_from_its_beginning(tmp_path):
    log = StoredLog(tmp_path / "audit")
    for tail in (Tail(log.directory), Tail.near(log.directory, 5)):
        assert tail.last(5) == []
    log.append()
    assert seqs(tail.new()) == [0]


def test_a_line_that_is_not_whole_yet_is_left_out(tmp_path):
    log = StoredLog(tmp_path / "audit")
    log.append()
    tail = Tail(log.directory)
    with log.path.open("ab") as stream:
        stream.write(b'{"torn')
        stream.flush()
        assert seqs(tail.last(5)) == [0]
        assert list(tail.new()) == []
        stream.write(b'"}\n')
        stream.flush()
        assert list(tail.new()) == [b'{"torn"}\n']


def test_the_command_prints_text_or_the_very_bytes(log, capsysbinary):
    arguments = ["audit", "tail", "--directory", str(log.directory), "-n", "2"]
    assert run([*arguments, "--format", "json"]) == 0
    assert capsysbinary.readouterr().out == b"".join(Tail(log.directory).last(2))
    assert run(arguments) == 0
    assert capsysbinary.readouterr().out.count(b"\n") == 2


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(AuditError, match=r"cannot list .*nowhere: No such file or directory"):
        Tail(tmp_path / "nowhere").last(1)
