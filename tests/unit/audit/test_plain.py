import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit import plain
from deepseek_local.audit.clip import clean

text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x80), max_size=8) | st.sampled_from(
    ["clip", "x" * 256, "x" * 257]
)
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from([2**63 - 1, 2**63, 1.5]) | text
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
fields = st.dictionaries(text, values, max_size=5)


def encode(members) -> bytes:
    return msgspec.json.encode(members)


def test_an_ordinary_record_is_plain():
    members = {"req": "01JD9Z6X", "sub": {"id": "u:alice"}, "attr": {"n": -1, "stream": True, "stop": ["a", None]}}
    assert plain.members(encode(members)) == members


@given(fields)
def test_what_is_plain_needs_no_cleaning(anything):
    found = plain.members(encode(anything))
    assert found is None or found == clean(anything) == anything


@pytest.mark.parametrize(
    "members",
    [
        {"a": "\n"},
        {"a": "\x7f"},
        {"a": "\u202e"},
        {"a\u200b": 1},
        {"a": 1.5},
        {"a": "x" * 257},
        {"x" * 65: 1},
        {"a": 2**63},
        {"a": -(2**63)},
        {"a": list(range(65))},
        {"a": {str(number): 0 for number in range(65)}},
        {str(number): 0 for number in range(65)},
        {"a": {"b": {"c": {"d": []}}}},
        {"a": {"b": {"c": {"d": {}}}}},
        {"clip": ["a"]},
        {"clip": 1},
    ],
)
def test_what_cleaning_would_change_is_not_plain(members):
    assert plain.members(encode(members)) is None


def test_the_largest_plain_values_are_plain():
    members = {"x" * 64: "x" * 256, "a": [2**63 - 1, 1 - 2**63] * 32, "b": {"c": {"d": {"e": 1}, "f": [1]}}}
    assert plain.members(encode(members)) == clean(members) == members


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"1", b"{", b'{"a":1}x', b'{"a":1.0}', b'{"a":NaN}', b'{"a":' * 2500, b"\xff"]
)
def test_what_is_no_object_is_not_plain(line):
    assert plain.members(line) is None
