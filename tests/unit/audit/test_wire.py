import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit import record, wire
from deepseek_local.audit.record import RECORD_LIMIT, Envelope, Kind
from deepseek_local.errors import AuditError


def sent(cseq=1, kind="admin", **fields) -> bytes:
    return json.dumps({"cseq": cseq, "kind": kind, **fields}).encode()


def test_a_request_reads_back_as_it_was_sent():
    fields = {"req": "r1", "dec": "allow", "attr": {"model": "m", "n": 1}}
    line = wire.request(12, wire.body("decision", fields))
    assert line.endswith(b"\n")
    assert wire.parse_request(line[:-1]) == wire.Request(12, Kind.DECISION, fields)


def test_hostile_values_are_cleaned_on_either_side():
    assert b"\\n" not in wire.body("admin", {"act": "a\nb"})
    assert wire.parse_request(sent(act="a\nb")).fields == {"act": "a\ufffdb", "clip": ["act"]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not a JSON object"),
        (b"GET / HTTP/1.1\r", "not a JSON object"),
        (b"\x16\x03\x01\x02\x00", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b'{"cseq":1,"kind":"admin","a":"\xff"}', "not a JSON object"),
        (b'{"cseq":1,"kind":"admin","a":"\\ud800"}', "not a JSON object"),
        (b'{"cseq":1,"kind":"admin","a":NaN}', "not a JSON object"),
        (b"\xef\xbb\xbf" + sent(), "not a JSON object"),
        (sent().decode().encode("utf-16"), "not a JSON object"),
        (b'{"a":' * 2500, "not a JSON object"),
        (sent(cseq=0), "cseq"),
        (sent(cseq=-1), "cseq"),
        (sent(cseq=True), "cseq"),
        (sent(cseq=1.0), "cseq"),
        (sent(cseq="1"), "cseq"),
        (sent(cseq=2**53), "cseq"),
        (sent(cseq=2**63 - 1), "cseq"),
        (sent(cseq=2**63), "cseq"),
        (b'{"cseq":1%s,"kind":"admin"}' % (b"0" * 400), "cseq"),
        (b'{"kind":"admin"}', "cseq"),
        (b'{"cseq":1}', "kind"),
        (sent(kind=7), "kind"),
        (sent(kind="start"), "not for clients"),
        (sent(seq=5), "set by the sequencer"),
        (sent(a="x" * wire.LINE_LIMIT), "more than 15360 bytes"),
    ],
)
def test_what_is_not_a_request_is_refused_with_its_reason(line, reason):
    with pytest.raises(AuditError, match=reason):
        wire.parse_request(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(line):
    try:
        wire.parse_request(line)
    except AuditError:
        return


def test_a_mangled_request_is_a_request_or_refused():
    chance = random.Random(7)  # noqa: S311 -- the same mutations on every run
    for _ in range(3000):
        line = bytearray(sent(req="r1", attr={"a": [1, "x\u4e2d"]}, n=-1))
        for _ in range(chance.randrange(1, 4)):
            line[chance.randrange(len(line))] = chance.randrange(256)
        try:
            wire.parse_request(bytes(line))
        except AuditError:
            continue


def test_a_client_cannot_build_a_line_that_the_sequencer_finds_too_long():
    def fields(length):
        rest, last = divmod(length, 256)
        return {"a": {str(number): "x" * 256 for number in range(rest)}, "b": "x" * last}

    def grow(length):
        return wire.request(wire.CSEQ_LIMIT, wire.body("admin", fields(length)))

    with pytest.raises(AuditError, match="put at most"):
        grow(14_950)
    longest = next(line for line in map(safely(grow), range(14_950, 14_000, -1)) if line)
    assert wire.LINE_LIMIT - 50 < len(longest) <= wire.LINE_LIMIT
    assert wire.parse_request(longest[:-1]).cseq == wire.CSEQ_LIMIT


def safely(build):
    def attempt(length):
        try:
            return build(length)
        except AuditError:
            return None

    return attempt


@pytest.mark.parametrize("character", ["\x01", "é", "\u4e2d", '"', "\\", "\U0001f600", "\x7f", "/"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_request_fits_into_a_record(character, ascii_only):
    """The longest line that is accepted, in the encoding that grows most, still makes a record within its limit."""
    envelope = Envelope(2**63, 2**63, "2026-11-24T05:50:01.123456Z", 2**63, "b" * 36, "n" * 64, 2**31, Kind.ADMIN)
    accepted = 0
    for count in range(1, 61):
        members = {str(number): character * 250 for number in range(count)}
        line = json.dumps({"cseq": 1, "kind": "admin", "a": members}, ensure_ascii=ascii_only)
        try:
            request = wire.parse_request(line.encode())
        except AuditError:
            continue
        accepted += 1
        assert len(record.encode(envelope, request.fields)) <= RECORD_LIMIT
    assert accepted


def test_answers_read_back():
    assert wire.parse_answer(wire.acknowledgement(7).strip()) == wire.Answer(ack=7)
    assert wire.parse_answer(wire.refusal('no "way"\n').strip()).error == 'no "way"\n'


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 400", b"[]", b'{"ack":"1"}', b'{"ack":null}', b"\xff"])
def test_a_foreign_answer_is_an_error(line):
    with pytest.raises(AuditError, match="something else than its protocol"):
        wire.parse_answer(line)
