"""What people see of a record cannot do anything to them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_log import line

from deepseek_local.audit.record import parse
from deepseek_local.evidence import rendering

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    '=HYPERLINK("http://x")',
]


def cells(record) -> dict[str, str]:
    table = io.StringIO(rendering.heading() + rendering.row(record), newline="")
    (row,) = csv.DictReader(table)
    return row


def test_a_record_is_one_line_of_text():
    record = parse(line(1, sub={"id": "u:alice"}, note="two words", n=3, act="test"))
    assert rendering.text(record) == (
        '2026-11-24T12:00:01.000000Z         1 admin          pid=42 act=test n=3 note="two words" sub.id=u:alice'
    )


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_reaches_a_terminal_with_what_it_would_obey(value):
    record = parse(line(1, note=value, moment=value))
    assert rendering.text(record).isprintable()
    assert rendering.line(line(1, note=value), is_terminal=True)[:-1].isprintable()


def test_json_is_exact_unless_a_terminal_would_obey_it():
    exact = line(1, note="\u009b2J 甲 \U000e0041")
    assert rendering.line(exact, is_terminal=False).encode() == exact
    assert parse(rendering.line(exact, is_terminal=True).encode()) == parse(exact)
    assert rendering.line(b"\x9b\n", is_terminal=True) == "\\x9b\n"


@pytest.mark.parametrize("value", FORMULAS)
def test_no_cell_is_a_formula(value):
    row = cells(parse(line(1, obj=value, reason=value, moment=value)))
    for name in ("obj", "reason", "ts"):
        assert row[name].startswith("'") or row[name].startswith("\ufffd")


def test_a_row_has_its_values_below_their_headings():
    record = parse(line(1, sub={"id": "u:alice"}, tokens={"in": 3, "out": 4}, status=200, aborted=True, obj='a,"b"'))
    row = cells(record)
    assert (row["seq"], row["sub.id"], row["tokens.out"], row["status"]) == ("1", "u:alice", "4", "200")
    assert (row["aborted"], row["obj"], row["tenant"]) == ("true", 'a,"b"', "")
