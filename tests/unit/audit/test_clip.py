from enum import StrEnum
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit.clip import DEPTH_LIMIT, FLAG, ITEM_LIMIT, KEY_LIMIT, TEXT_LIMIT, clean
from deepseek_local.errors import AuditError

HOSTILE = {
    "a line break": "admin\nallow",
    "a carriage return": "x\rdec=allow",
    "an escape sequence": "\x1b[2J",
    "a null": "a\0b",
    "a delete": "a\x7f",
    "a next-line": "a\x85b",
    "a line separator": "a\u2028b",
    "a right-to-left override": "u:\u202eecila",
    "an isolate": "a\u2066b",
    "a zero-width space": "u:al\u200bice",
    "a byte order mark": "\ufeffa",
    "a tag character": "a\U000e0041",
    "a lone surrogate": "a\ud800b",
}

text = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(["", FLAG, "x" * 257, "\n" * 300])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | text
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
fields = st.dictionaries(text, values, max_size=5)


def strings(value):
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from strings(inner)
        case list():
            for inner in value:
                yield from strings(inner)


def depth(value):
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_could_fool_a_reader_is_replaced_and_flagged(value):
    cleaned = clean({"attr": {"model": value}})
    assert cleaned[FLAG] == ["attr.model"]
    assert cleaned["attr"]["model"].isprintable()
    assert "\ufffd" in cleaned["attr"]["model"]


def test_ordinary_values_stay_as_they_are_and_are_not_flagged():
    plain = {
        "req": "01JD9Z6X",
        "sub": {"id": "u:alice"},
        "attr": {"n": 1, "stream": True, "model": None, "stop": ["模型", "é"]},
    }
    assert clean(plain) == plain


def test_text_is_cut_at_its_limit_and_flagged():
    cleaned = clean({"ua": "a" * (TEXT_LIMIT + 1), "rule": "b" * TEXT_LIMIT})
    assert cleaned == {"ua": "a" * TEXT_LIMIT, "rule": "b" * TEXT_LIMIT, FLAG: ["ua"]}


def test_floats_become_text_because_records_have_none():
    assert clean({"a": 1.5, "b": float("nan")}) == {"a": "1.5", "b": "nan", FLAG: ["a", "b"]}


def test_a_huge_integer_is_described_by_its_size():
    assert clean({"n": 10**5000, "m": 2**63 - 1}) == {"n": "(16610 bits)", "m": 2**63 - 1, FLAG: ["n"]}


def test_long_lists_and_objects_are_cut():
    cleaned = clean({"many": list(range(100)), "wide": {str(number): 0 for number in range(100)}})
    assert len(cleaned["many"]) == len(cleaned["wide"]) == ITEM_LIMIT
    assert cleaned[FLAG] == ["many", "wide"]


def test_what_lies_too_deep_is_counted():
    assert clean({"a": {"b": {"c": {"d": [1, 2, 3]}}}}) == {"a": {"b": {"c": {"d": "(3 items)"}}}, FLAG: ["a.b.c.d"]}


def test_hostile_keys_are_cleaned_too():
    assert clean({"attr": {"a\n": 1}}) == {"attr": {"a\ufffd": 1}, FLAG: ["attr.a\ufffd"]}
    assert clean({"k" * 100: 1}) == {"k" * KEY_LIMIT: 1, FLAG: ["k" * 100]}


def test_flags_of_an_earlier_cleaning_are_kept():
    assert clean({"a": 1.5, FLAG: ["b"]})[FLAG] == ["a", "b"]


@pytest.mark.parametrize("forged", ["text", {"a": 1}, [1], ["x\n"]])
def test_a_forged_flag_cannot_carry_anything_else(forged):
    cleaned = clean({FLAG: forged})
    assert cleaned in ({FLAG: [FLAG]}, {FLAG: ["x\ufffd"]})


def test_words_of_an_enumeration_become_plain_text():
    cleaned = clean({"act": StrEnum("Act", ["EXECUTE"])("execute")})
    assert type(cleaned["act"]) is str


def test_a_value_that_json_does_not_know_is_a_mistake_of_the_caller():
    with pytest.raises(AuditError, match=r"audit field attr\.path is a PosixPath"):
        clean({"attr": {"path": Path("/")}})
    with pytest.raises(AuditError, match="named by a int"):
        clean({"attr": {1: 2}})


@given(fields)
def test_everything_json_knows_becomes_short_printable_and_shallow(anything):
    cleaned = clean(anything)
    assert all(each.isprintable() and len(each) <= TEXT_LIMIT for each in strings(cleaned))
    assert depth(cleaned) <= DEPTH_LIMIT
    assert msgspec.json.decode(msgspec.json.encode(cleaned)) == cleaned


@given(fields)
def test_cleaning_twice_changes_nothing(anything):
    cleaned = clean(anything)
    assert clean(cleaned) == cleaned


@given(fields)
def test_what_was_changed_is_flagged(anything):
    cleaned = clean(anything)
    assert (FLAG in cleaned and bool(cleaned[FLAG])) or cleaned == anything
