"""The strict parse: what passes, the engine's own parser reads alike."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepseek_local.audit.clip import TEXT_LIMIT
from deepseek_local.gateway import documents
from deepseek_local.gateway.documents import MAXIMUM_CONTAINERS, MAXIMUM_DEPTH, parse
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
# JSON with keys that can be equal, spelled in several ways, and colons wherever a text may have one.
texts = st.sampled_from(
    ['"a"', '"\\u0061"', '":"', '"\\u003a"', '"\\u003A:"', '"a:\\"b\\":"', '"\\\\u003a"', '""', '"\\\\"']
)
blanks = st.sampled_from(["", " ", "\n\t"])


def object_of(pairs: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{key}{blank}:{blank}{value}" for key, blank, value in pairs) + "}"


repetitive = st.recursive(
    texts | st.sampled_from(["1", "null", "-0.5e2"]),
    lambda inner: (
        st.lists(st.tuples(texts, blanks, inner), max_size=4).map(object_of)
        | st.lists(inner, max_size=3).map(lambda entries: "[" + ",".join(entries) + "]")
    ),
    max_leaves=8,
)


def has_equal_keys(text: str) -> bool:
    """Say so by the standard library, which tells the members of each object as they came."""
    found: list[bool] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len({key for key, _ in pairs}) < len(pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return any(found)


def refusal_of(body: bytes) -> str:
    with pytest.raises(RefusedError, match="malformed") as caught:
        parse(body)
    assert caught.value.refusal.status == 400
    return caught.value.refusal.message


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
    assert document.fields == json.loads(body)
    known = ("model", "stream", "n", "best_of")
    assert [getattr(document, name) for name in known] == [document.fields.get(name) for name in known]


@settings(derandomize=True, max_examples=500)
@given(repetitive)
@example('{"a:":1,"a:":2}')
@example('{"a":"\\u003a","b":1,"b":2}')
@example('{"a":{"x":1},"a":2}')
def test_equal_keys_are_found_at_any_depth_and_nowhere_else(text: str):
    body = text.encode()
    assert documents.has_repeated_keys(body, json.loads(body)) == has_equal_keys(text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","\\u006dodel":"b"}',
        b'{"messages":[{"role":"user","content":"a:b","content":"\\u003a"}]}',
        b'{"a":null,"a":null}',
    ],
)
def test_equal_keys_are_refused(body: bytes):
    assert "the same key twice" in refusal_of(body)


@pytest.mark.parametrize(
    "body",
    [
        *(b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-32-le")),
        *(b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1e400}', b'{"a":"\\ud800"}', b'{"a":"\xff"}'),
        *(b"", b"[]", b"1", b"null", b"{}{}", b"{} x", b'{"a":1,}', b"{'a':1}", b'{"a":"\n"}'),
    ],
)
def test_what_parsers_disagree_about_is_refused(body: bytes):
    refusal_of(body)


def test_no_model_has_a_name_longer_than_a_record_holds():
    longest = "m" * TEXT_LIMIT
    assert parse(json.dumps({"model": longest}).encode()).model == longest
    assert "$.model" in refusal_of(json.dumps({"model": longest + "m"}).encode())


@pytest.mark.parametrize("body", [b'{"stream":1}', b'{"stream":"true"}', b'{"n":2.0}', b'{"n":"2"}', b'{"n":true}'])
def test_nothing_is_guessed_into_a_type(body: bytes):
    refusal_of(body)


@pytest.mark.parametrize("name", ["n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens"])
@pytest.mark.parametrize("number", ["9" * 4000, str(2**63), str(-(2**63) - 1)])
def test_no_number_is_larger_than_readers_of_a_record_take(name: str, number: str):
    assert f"$.{name}" in refusal_of(f'{{"{name}":{number}}}'.encode())


def test_only_given_fields_are_attributes():
    assert parse(b'{"model":"m","stream":false,"n":null,"temperature":0.5}').attributes() == {
        "model": "m",
        "stream": False,
    }


def test_the_longest_of_all_lengths_counts():
    assert parse(b'{"max_tokens":3,"max_completion_tokens":9,"max_output_tokens":null}').max_tokens == 9
    assert parse(b'{"max_tokens":0}').max_tokens == 0
    assert parse(b'{"max_tokens":null}').max_tokens is None


@pytest.mark.parametrize(
    ("body", "messages", "prompts"),
    [
        ({"messages": [{"role": "user"}] * 3}, 3, None),
        ({"messages": [[{"role": "user"}] * 2, [{"role": "user"}]]}, 3, 2),
        ({"prompt": "a"}, None, 1),
        ({"prompt": ["a", "b"]}, None, 2),
        ({"prompt": [1, 2, 3]}, None, 1),
        ({"prompt": [[1, 2], [3]]}, None, 2),
        ({"input": "a"}, None, 1),
        ({"input": [1, 2]}, None, 1),
        ({"input": [[1, 2], [3], [4]]}, None, 3),
        ({"input": [{"role": "user"}, {"type": "function_call"}]}, 2, 1),
        ({"input": [[{"role": "user"}, {"role": "user"}]]}, 2, 1),
        ({"query": "a", "documents": ["a", "b", "c"]}, None, 3),
        ({"questions": {"a": {}, "b": {}}}, None, 2),
        ({"questions": [{}, {}, {}]}, None, 3),
        ({"prompt": []}, None, None),
        ({"messages": "a", "prompt": None}, None, None),
        ({"temperature": 1}, None, None),
    ],
)
def test_messages_and_prompts_are_counted(body: dict[str, Any], messages: int | None, prompts: int | None):
    document = parse(json.dumps(body).encode())
    assert (document.messages, document.prompts) == (messages, prompts)


@given(st.dictionaries(st.sampled_from(["prompt", "input", "messages", "documents", "questions"]), values))
def test_counting_never_fails(fields: dict[str, Any]):
    assert_alike(json.dumps(fields).encode())


@pytest.mark.parametrize("entry", [b"[]", b"{}", b'{"a":"\\u003a"}', b"[[[]]]"])
def test_what_has_too_many_parts_is_refused_before_anything_walks_through_them(entry: bytes):
    many = b'{"x":[' + b",".join([entry] * MAXIMUM_CONTAINERS) + b"]}"
    assert "more than 50000 arrays and objects" in refusal_of(many)
    assert parse(b'{"x":[' + b",".join([entry] * 1000) + b"]}").fields["x"]


@pytest.mark.parametrize("depth", [MAXIMUM_DEPTH, 2_000, 40_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused_but_never_fatal(depth: int, opening: bytes, closing: bytes):
    assert "nested" in refusal_of(b'{"x":' + opening * depth + b"1" + closing * depth + b"}")


def test_nesting_is_bounded_exactly_and_brackets_in_texts_do_not_count():
    levels = MAXIMUM_DEPTH - 1
    assert parse(b'{"y":"' + b"[" * 500 + b'","x":' + b"[" * levels + b"]" * levels + b"}").byte_count > 500


def test_a_refusal_names_place_and_type_but_no_value():
    message = refusal_of(b'{"model":["secret"]}')
    assert "$.model" in message
    assert "secret" not in message


def test_a_document_does_not_show_what_it_holds():
    assert "secret" not in repr(parse(b'{"messages":[{"role":"user","content":"secret"}]}'))
