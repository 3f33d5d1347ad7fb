import json

import pytest

from deepseek_local.audit.record import parse
from deepseek_local.audit.tail import Tail, describe
from deepseek_local.cli.main import run
from deepseek_local.errors import AuditError


def seqs(lines) -> list[int]:
    return [json.loads(line)["seq"] for line in lines]


@pytest.fixture
def log(desk, entry):
    """Ten records over several segments: 0, 1 to 3 with a seal, and so on."""
    log = desk.open(segment_bytes=600)
    for number in range(1, 8):
        log.commit([entry(number)])
    assert len(desk.names()) > 2
    return log


def total(desk) -> int:
    return sum(len(desk.records(number)) for number in range(1, len(desk.names()) + 1))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
@pytest.mark.usefixtures("log")
def test_the_newest_records_come_in_order_over_segments(desk, count):
    assert seqs(Tail(desk.directory).last(count)) == list(range(total(desk)))[total(desk) - count :]


@pytest.mark.usefixtures("log")
def test_more_than_there_is_gives_all(desk):
    assert seqs(Tail(desk.directory).last(1000)) == list(range(total(desk)))


def test_many_records_are_read_backwards_in_blocks(desk, entry):
    log = desk.open()
    log.commit([entry(number, pad="x" * 200) for number in range(1, 2001)])
    assert seqs(Tail(desk.directory).last(1500)) == list(range(501, 2001))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_what_is_written_later_comes_once(desk, entry, log, count):
    tail = Tail(desk.directory)
    tail.last(count)
    before = total(desk)
    assert list(tail.new()) == []
    for number in range(8, 14):
        log.commit([entry(number)])
    assert seqs(tail.new()) == list(range(before, total(desk)))
    assert list(tail.new()) == []


def test_an_empty_log_can_be_followed_from_its_beginning(desk):
    desk.directory.mkdir()
    tail = Tail(desk.directory)
    assert tail.last(5) == []
    desk.open()
    assert seqs(tail.new()) == [0]


def test_a_line_that_is_not_whole_yet_is_left_out(desk):
    desk.open()
    with desk.segment(1).open("ab") as stream:
        stream.write(b'{"torn')
        stream.flush()
        tail = Tail(desk.directory)
        assert seqs(tail.last(5)) == [0]
        assert list(tail.new()) == []
        stream.write(b'"}\n')
        stream.flush()
        assert list(tail.new()) == [b'{"torn"}\n']


def test_a_record_is_described_on_one_line_without_control_characters(desk, entry):
    desk.open().commit([entry(sub={"id": "u:alice"}, note="two words", n=3)])
    line = desk.segment(1).read_bytes().splitlines(keepends=True)[1]
    assert describe(parse(line)) == (
        '2026-11-24T12:00:00.000000Z         1 admin          pid=42 act=test n=3 note="two words" sub.id=u:alice'
    )
    forged = line.replace(b"two words", b"\\u001b[2J\\n")
    assert describe(parse(forged)).isprintable()


@pytest.mark.usefixtures("log")
def test_the_command_prints_text_or_the_very_bytes(desk, capsysbinary):
    arguments = ["audit", "tail", "--directory", str(desk.directory), "-n", "2"]
    assert run([*arguments, "--format", "json"]) == 0
    assert capsysbinary.readouterr().out == b"".join(Tail(desk.directory).last(2))
    assert run(arguments) == 0
    assert capsysbinary.readouterr().out.count(b"\n") == 2


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(
        AuditError, match=r"cannot list .*nowhere: No such file or directory \(ENOENT\); check the path"
    ):
        Tail(tmp_path / "nowhere").last(1)
