"""What the engine gets: the bytes of the client, and in front of them what only we may say."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.access import Access, Body, Principal, Risk
from deepseek_local.gateway import dialects, documents, rewrite
from deepseek_local.gateway.caps import RoleCeilings
from deepseek_local.gateway.guards import Guard
from deepseek_local.gateway.salts import salt
from deepseek_local.policy.routes import CATALOGUE
from deepseek_local.profile.front_door import Caps, Limits

KEY = b"k" * 32
ANN = Principal("u:ann", "token", "kid")
OTHERS = Principal("u:bob", "token", "kid")


def prepared(
    body: bytes, path: str = "/v1/chat/completions", cap: int | None = None, tenant: str | None = "t"
) -> rewrite.Prepared:
    guard = Guard(RoleCeilings(Limits(), {"r": Caps(max_tokens=cap)}), frozenset(), 8192, KEY)
    access = Access(path, "inference_x", "execute", Risk.GUARDED, Body.JSON)
    return guard.prepare(documents.parse(body), body, access, principal=ANN, tenant=tenant, roles=frozenset({"r"}))


SALT = salt(KEY, "t", "u:ann")
names = st.text(max_size=4).map("x".__add__) | st.sampled_from(["messages", "temperature"])
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
options = st.none() | st.fixed_dictionaries(
    {}, optional={"include_usage": st.none() | st.booleans(), "continuous_usage_stats": st.booleans()}
)
bodies = st.builds(
    lambda some, known: {**some, **known},
    st.dictionaries(names, values, max_size=5),
    st.fixed_dictionaries(
        {},
        optional={
            "stream": st.booleans(),
            "stream_options": options,
            "max_tokens": st.none() | st.integers(0, 99),
            "cache_salt": st.none(),
        },
    ),
)


def names_of(body: bytes) -> list[str]:
    return [name for name, _ in json.loads(body, object_pairs_hook=list)]


@settings(derandomize=True, max_examples=60)
@given(
    bodies,
    st.sampled_from(["", " ", "\n\t"]),
    st.sampled_from(sorted(dialects.ROUTES)),
    st.none() | st.integers(1, 50),
)
def test_the_engine_reads_what_the_client_sent_and_what_was_put_in(
    body: dict[str, Any], blank: str, path: str, cap: int | None
):
    sent = (blank + json.dumps(body) + blank).encode()
    got = prepared(sent, path, cap)
    dialect = dialects.of(path)
    expected = dict(body)
    if dialect.salted_since is not None:
        expected["cache_salt"] = SALT
    wanted = isinstance(body.get("stream_options"), dict) and body["stream_options"].get("include_usage") is True
    assert got.hides_usage == (dialect.tells_usage and body.get("stream") is True and not wanted)
    if got.hides_usage:
        given_options = body.get("stream_options") or {}
        expected["stream_options"] = {**given_options, "include_usage": True}
        if given_options:
            expected["stream_options"]["continuous_usage_stats"] = False
    lengths = [body[name] for name in dialects.LENGTHS if body.get(name) is not None]
    default = None if any(name in body for name in dialect.lengths) else dialect.default_length
    if (
        cap is not None
        and dialect.has_answer
        and dialect.lengths
        and not lengths
        and (default is None or default > cap)
    ):
        expected[dialect.lengths[0]] = cap
    assert json.loads(got.body) == expected
    assert len(names_of(got.body)) == len(set(names_of(got.body)))


def test_the_bytes_of_the_client_stay_as_they_are():
    sent = b' {"model" : "m","seed":1.0e0, "stream":true, "x":"\\u00e4"}\n'
    got = prepared(sent)
    assert got.body == b'{"cache_salt":"%s","stream_options":{"include_usage":true},' % SALT.encode() + sent[2:]
    assert got.hides_usage


def test_nothing_is_put_in_where_nothing_is_needed():
    sent = b'{"prompt":"a"}'
    assert prepared(sent, "/tokenize").body is sent


@pytest.mark.parametrize("sent", [b"{}", b" { } "])
def test_an_empty_object_gets_no_comma(sent: bytes):
    assert json.loads(prepared(sent).body) == {"cache_salt": SALT}


def test_a_field_that_is_there_is_never_there_twice():
    got = prepared(b'{"cache_salt":null,"stream":true,"stream_options":null,"max_completion_tokens":null}', cap=9)
    assert json.loads(got.body) == {
        "cache_salt": SALT,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 9,
    }
    assert len(names_of(got.body)) == 4


def test_the_usage_of_each_chunk_stays_off_when_the_whole_was_not_asked_for():
    got = prepared(b'{"stream":true,"stream_options":{"continuous_usage_stats":true}}')
    assert json.loads(got.body)["stream_options"] == {"include_usage": True, "continuous_usage_stats": False}
    assert got.hides_usage


@pytest.mark.parametrize("almost", ['"false"', '"off"', '"0"', '"true"', "1", "[]", '{"a":1}'])
def test_what_the_engine_could_read_as_no_usage_does_not_turn_it_off(almost: str):
    got = prepared(b'{"stream":true,"stream_options":{"include_usage":%b}}' % almost.encode())
    assert json.loads(got.body)["stream_options"]["include_usage"] is True
    assert got.hides_usage


def test_usage_that_was_asked_for_is_not_hidden():
    got = prepared(b'{"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}')
    assert not got.hides_usage
    assert json.loads(got.body)["stream_options"]["continuous_usage_stats"] is True


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        (b"{}", "/v1/chat/completions", {"max_completion_tokens": 9}),
        (b"{}", "/v1/completions", {"max_tokens": 9}),
        (b"{}", "/v1/responses", {"max_output_tokens": 9}),
        (b'{"max_tokens":5}', "/v1/chat/completions", {"max_tokens": 5}),
        (b"{}", "/v1/embeddings", {}),
        (b"{}", "/v2/embed", {}),
    ],
)
def test_who_names_no_length_gets_the_cap(body: bytes, path: str, expected: dict[str, int]):
    got = json.loads(prepared(body, path, 9).body)
    got.pop("cache_salt", None)
    assert got == expected


def test_the_engines_own_default_stays_where_it_is_shorter():
    assert "max_tokens" not in json.loads(prepared(b"{}", "/v1/completions", 20).body)
    assert json.loads(prepared(b'{"max_tokens":null}', "/v1/completions", 20).body)["max_tokens"] == 20


def test_no_length_is_longer_than_the_model():
    assert json.loads(prepared(b"{}", cap=16_000).body)["max_completion_tokens"] == 8192


def test_tenants_share_a_salt_and_who_has_none_shares_with_nobody():
    salts = {salt(KEY, "t", "u:ann"), salt(KEY, None, "u:ann"), salt(KEY, None, "u:bob"), salt(KEY, "u", "u:ann")}
    assert len(salts) == 4
    assert salt(KEY, "t", "u:bob") == SALT
    assert salt(b"x" * 32, "t", "u:ann") != SALT
    assert all(len(each) == 43 and each.replace("-", "a").replace("_", "a").isalnum() for each in salts)


def test_every_route_with_ways_is_in_the_catalogue():
    paths = {each.access.route for each in CATALOGUE if each.access.body is Body.JSON}
    assert dialects.ROUTES.keys() <= paths
