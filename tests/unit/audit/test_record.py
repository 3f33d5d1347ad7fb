import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit import record
from deepseek_local.audit.clip import clean
from deepseek_local.audit.record import (
    CLIENT_KINDS,
    ENVELOPE_KEYS,
    ENVELOPE_LIMIT,
    OWN_KINDS,
    RECORD_LIMIT,
    Envelope,
    Kind,
    Record,
    check,
    encode,
    parse,
)
from deepseek_local.errors import AuditError

ENVELOPE = Envelope(7, 3, "2026-11-24T05:50:01.123456Z", 123456789012, "b3c1", "gpu01", 4242, Kind.DECISION)
LINE = encode(ENVELOPE, {"req": "r1", "dec": "allow"})

text = st.text(st.characters(exclude_categories=()), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(text.filter(lambda key: key not in ENVELOPE_KEYS), values, max_size=5)


def altered(**members) -> bytes:
    return json.dumps({**json.loads(LINE), **members}).encode() + b"\n"


def test_a_record_is_one_line_of_json_with_sorted_keys():
    assert LINE == (
        b'{"boot":"b3c1","cseq":3,"dec":"allow","kind":"decision","mono":123456789012,"node":"gpu01","pid":4242,"req":"r1",'
        b'"seq":7,"ts":"2026-11-24T05:50:01.123456Z","v":1}\n'
    )


@given(fields)
def test_every_clean_record_is_one_line_and_reads_back_unchanged(anything):
    cleaned = clean(anything)
    line = encode(ENVELOPE, cleaned)
    assert line.count(b"\n") == 1
    assert line.decode().removesuffix("\n").isprintable()
    assert parse(line) == Record(ENVELOPE, cleaned)
    assert json.loads(line)["kind"] == "decision"


@given(fields)
def test_the_bytes_do_not_depend_on_the_order_of_the_fields(anything):
    cleaned = clean(anything)
    assert encode(ENVELOPE, dict(reversed(cleaned.items()))) == encode(ENVELOPE, cleaned)


def test_the_largest_envelope_stays_within_its_share():
    largest = Envelope(2**63, 2**63, ENVELOPE.ts, 2**63, "b" * 36, "n" * 64, 2**31, max(Kind, key=len))
    assert len(encode(largest, {})) < ENVELOPE_LIMIT


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        LINE[:-1],
        LINE[:-2] + b"\n",
        LINE[1:],
        b"\0" * 100 + b"\n",
        b"[]\n",
        b"[" * 9000 + b"\n",
        LINE.replace(b"r1", b"\xff"),
        LINE.replace(b'"seq":7,', b""),
        LINE.replace(b'"v":1', b'"v":1 '.ljust(RECORD_LIMIT)),
        altered(seq="7"),
        altered(seq=None),
        altered(seq=1.5),
        altered(kind="unheard_of"),
        altered(v=2),
    ],
)
def test_what_the_sequencer_cannot_have_written_is_refused(line):
    with pytest.raises(AuditError):
        parse(line)


def test_a_newer_version_is_named():
    with pytest.raises(AuditError, match="audit record 7 has version 2, this program reads 1: use a newer one"):
        parse(altered(v=2))


def test_every_kind_belongs_to_clients_or_to_the_sequencer():
    assert set(Kind) == CLIENT_KINDS | OWN_KINDS
    assert not CLIENT_KINDS & OWN_KINDS


@pytest.mark.parametrize("kind", sorted(OWN_KINDS))
def test_clients_cannot_send_the_kinds_of_the_sequencer(kind):
    with pytest.raises(AuditError, match="not for clients to send"):
        check(kind, {})


@pytest.mark.parametrize("name", sorted(ENVELOPE_KEYS))
def test_clients_cannot_set_the_envelope(name):
    with pytest.raises(AuditError, match=f"fields {name} are set by the sequencer"):
        check("admin", {name: 1})


def test_a_decision_without_its_request_id_or_verdict_says_nothing():
    with pytest.raises(AuditError, match="decision needs the field req"):
        check("decision", {"dec": "allow"})
    with pytest.raises(AuditError, match="decision needs the field dec"):
        check("decision", {"req": "r1", "dec": ""})
    with pytest.raises(AuditError, match="outcome needs the field req"):
        check("outcome", {"status": 200})
    assert check("decision", {"req": "r1", "dec": "deny"}) is Kind.DECISION


def test_an_unknown_kind_is_refused_without_echoing_all_of_it():
    with pytest.raises(AuditError) as refused:
        check("x" * 10_000, {})
    assert len(str(refused.value)) < 500


def test_the_docstring_lists_the_envelope():
    listed = {line.split()[0] for line in str(record.__doc__).splitlines() if line.startswith("    ") and line.split()}
    assert listed >= ENVELOPE_KEYS


def test_the_reference_lists_every_kind_and_the_envelope():
    page = (Path(__file__).parents[3] / "docs/en/reference/audit-record.md").read_text()
    assert [name for name in (*Kind, *ENVELOPE_KEYS) if f"`{name}`" not in page] == []
