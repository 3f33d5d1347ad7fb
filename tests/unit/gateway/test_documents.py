"""The strict parse: what passes, the engine's own parser reads alike."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit.clip import TEXT_LIMIT
from deepseek_local.gateway.documents import Document, parse
from deepseek_local.gateway.refusal import RefusedError

FIELDS = ("model", "stream", "n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens")

scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=6)), values, max_size=6)
# Text that is nearly JSON: pieces of it in any order, with bytes that parsers disagree about.
PIECES = rb'{ } [ ] : , "model" "n" "a" "b" 1 -0 01 .5 1e999 NaN Infinity true null "\ud800" "\u0041" // '.split(b" ")
ODD_PIECES = [b" ", b"\n", b"\x00", b"\xef\xbb\xbf", b'"\xff"', b'"\xed\xa0\x80"']
pieces = st.lists(st.sampled_from(PIECES + ODD_PIECES), max_size=9).map(b"".join)


def seen_by_the_engine(body: bytes) -> object:
    return json.loads(body)


@given(objects)
def test_of_what_json_can_write_the_engine_sees_the_same_fields(data: dict[str, object]):
    assert_alike(json.dumps(data).encode())


@given(st.binary(max_size=40) | pieces)
def test_of_any_bytes_the_engine_sees_the_same_fields(body: bytes):
    assert_alike(body)


def assert_alike(body: bytes) -> None:
    try:
        document = parse(body)
    except RefusedError:
        return
    read = seen_by_the_engine(body)
    assert isinstance(read, dict)
    assert {name: getattr(document, name) for name in FIELDS} == {name: read.get(name) for name in FIELDS}


def test_equal_keys_count_as_the_engine_counts_them():
    assert parse(b'{"model":"a","model":"b"}') == Document(model="b")
    assert parse(b'{"model":"a","\\u006dodel":"b"}') == Document(model="b")


def test_no_model_has_a_name_longer_than_a_record_holds():
    longest = "m" * TEXT_LIMIT
    assert parse(json.dumps({"model": longest}).encode()) == Document(model=longest)
    with pytest.raises(RefusedError) as caught:
        parse(json.dumps({"model": longest + "m"}).encode())
    assert caught.value.refusal.status == 400
    assert "$.model" in caught.value.refusal.message


def test_only_given_fields_are_attributes():
    assert parse(b'{"model":"m","stream":false,"n":null,"temperature":0.5}').attributes() == {
        "model": "m",
        "stream": False,
    }


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_deep_nesting_is_refused_or_read_but_never_fatal(depth: int):
    with pytest.raises(RefusedError, match="malformed"):
        parse(b'{"x":' + b"[" * depth + b"]" * depth + b"}")


def test_a_refusal_names_place_and_type_but_no_value():
    with pytest.raises(RefusedError) as caught:
        parse(b'{"model":["secret"]}')
    assert "$.model" in caught.value.refusal.message
    assert "secret" not in caught.value.refusal.message
