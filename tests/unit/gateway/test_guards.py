"""What a request may ask of the engine, and how much of it."""

from typing import Any

import pytest
from guarded import CHAT, COMPLETION, NOBODY, RESPONSES, document, guard, passes, refusal_of, route
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.access import Access
from deepseek_local.gateway import fields, guards
from deepseek_local.gateway.caps import strictest
from deepseek_local.gateway.fields import TABLE, Treatment
from deepseek_local.gateway.refusal import RefusedError
from deepseek_local.profile.front_door import Caps, Limits


def test_an_ordinary_conversation_passes():
    passes(
        {
            "model": "m",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "t"}]}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.6,
            "top_logprobs": 5,
            "logprobs": True,
            "n": 8,
            "chat_template_kwargs": {"thinking": True},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
            "store": False,
            "priority": 0,
            "cache_salt": None,
        }
    )  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in TABLE.values() if field.treatment is Treatment.REFUSED])
def test_a_refused_field_ends_the_request_unless_it_says_nothing(name: str):
    refusal = refusal_of({"model": "m", name: "secret"})
    assert (refusal.status, refusal.reason, refusal.param) == (400, "field_refused", name)
    assert f"`{name}`" in refusal.message
    assert "secret" not in refusal.message
    passes({name: None})
    if TABLE[name].unless is not None:
        passes({name: TABLE[name].unless})


@pytest.mark.parametrize(("name", "value"), [("priority", -1), ("priority", False), ("store", True), ("store", 0)])
def test_what_nearly_says_nothing_is_refused(name: str, value: object):
    assert refusal_of({name: value}).param == name


def test_a_field_that_nobody_judged_is_refused():
    assert refusal_of({"new_in_vllm": 1}).param == "new_in_vllm"


@pytest.mark.parametrize("name", ["a b", "ü", "x" * 65, "my secret: 42", ""])
def test_a_name_that_is_no_name_is_not_repeated(name: str):
    refusal = refusal_of({name: 1})
    assert refusal.param is None
    assert name not in refusal.message or not name


@pytest.mark.parametrize(
    ("value", "is_fine"),
    [
        ({"thinking": True}, True),
        ({"enable_thinking": False}, True),
        ({}, True),
        ({"thinking": "yes"}, False),
        ({"thinking": 1}, False),
        ({"thinking": True, "tools": []}, False),
        ([], False),
        ("thinking", False),
    ],
)
def test_of_the_template_only_switches_can_be_set(value: object, is_fine: bool):  # noqa: FBT001  a table's column
    if is_fine:
        passes({"chat_template_kwargs": value})
    else:
        assert refusal_of({"chat_template_kwargs": value}).param == "chat_template_kwargs"


@pytest.mark.parametrize(
    ("body", "access"),
    [
        ({"n": 9}, CHAT),
        ({"best_of": 9}, COMPLETION),
        ({"logprobs": 21}, COMPLETION),
        ({"top_logprobs": 21}, CHAT),
        ({"prompt_logprobs": -1}, CHAT),
        ({"logprob_token_ids": [0] * 21}, CHAT),
        ({"n": -1}, CHAT),
        ({"max_tokens": 101}, CHAT),
        ({"max_completion_tokens": 101}, CHAT),
        ({"max_output_tokens": 101}, RESPONSES),
        ({"prompt": ["a"] * 129}, COMPLETION),
        ({"prompt": [[1]] * 129}, COMPLETION),
        ({"input": ["a"] * 129}, route("/v1/embeddings")),
        ({"documents": ["a"] * 129, "query": "q"}, route("/rerank")),
        ({"messages": [{"role": "user"}] * 11}, CHAT),
        ({"messages": [[{"role": "user"}] * 6] * 2}, route("/v1/chat/completions/batch")),
        ({"messages": [[{"role": "user"}]] * 129}, route("/v1/chat/completions/batch", "inference_batch")),
        ({"input": [{"role": "user"}] * 11}, RESPONSES),
        ({"tools": [{"type": "function"}] * 3}, CHAT),
        ({"tools": [{"type": "function"}], "messages": [{"role": "developer", "tools": [{}] * 2}]}, CHAT),
    ],
)
def test_what_is_above_a_cap_is_refused(body: dict[str, Any], access: Access):
    checked_by = guard(max_tokens=100, messages=10, tools=2)
    refusal = refusal_of(body, access, checked_by)
    assert (refusal.status, refusal.reason) == (400, "over_limit")
    assert refusal.param in body


def test_caps_include_their_bound_and_null_is_no_number():
    checked_by = guard(max_tokens=100, n=2, logprobs=0)
    passes({"n": 2, "max_tokens": 100, "logprobs": False, "top_logprobs": None}, CHAT, checked_by)
    assert refusal_of({"logprobs": True}, CHAT, checked_by).param == "logprobs"


@pytest.mark.parametrize("value", ["5", 5.0, {"a": 1}])
def test_a_capped_number_is_a_whole_number(value: object):
    assert refusal_of({"top_logprobs": value}).reason == "field_refused"


@pytest.mark.parametrize(
    ("name", "access"), [("max_tokens", RESPONSES), ("max_output_tokens", CHAT), ("max_completion_tokens", COMPLETION)]
)
def test_a_length_that_the_route_would_ignore_is_refused(name: str, access: Access):
    assert refusal_of({name: 1}, access).param == name
    passes({name: None}, access)


@pytest.mark.parametrize(
    "name", ["functions", "function_call", "web_search_options", "conversation", "moderation", "prediction"]
)
def test_what_openais_client_knows_beyond_the_engine_is_judged_and_may_be_null(name: str):
    passes({name: None})


def test_of_several_roles_the_strictest_caps_hold():
    roles = {"guest": Caps(n=1, max_tokens=10), "batch": Caps(n=4, prompts=16, body_bytes=1024)}
    checked_by = guard(roles, n=2, prompts=4)
    ceilings = checked_by.ceilings
    assert (ceilings.of(NOBODY).n, ceilings.of(NOBODY).max_tokens) == (2, None)
    assert (ceilings.of(frozenset({"batch", "other"})).n, ceilings.of(frozenset({"batch"})).prompts) == (2, 4)
    both = ceilings.of(frozenset({"batch", "guest"}))
    assert (both.n, both.max_tokens, both.body_bytes) == (1, 10, 1024)
    assert ceilings.of(frozenset({"guest", "batch", "unknown"})) is both


small_caps = st.builds(Caps, n=st.none() | st.integers(1, 9), tools=st.none() | st.integers(0, 9))


@settings(derandomize=True)
@given(st.lists(small_caps, max_size=4))
def test_no_cap_is_looser_than_any_of_its_sources(caps: list[Caps]):
    merged = strictest([Limits(), *caps])
    for name in ("n", "tools", "messages", "max_tokens"):
        given_values = [value for each in [Limits(), *caps] if (value := getattr(each, name)) is not None]
        assert getattr(merged, name) == min(given_values, default=None)


def test_a_role_can_have_a_smaller_body():
    checked_by = guard({"guest": Caps(body_bytes=1024)})
    body = {"messages": [{"role": "user", "content": "x" * 1024}]}
    passes(body, CHAT, checked_by)
    assert refusal_of(body, CHAT, checked_by, frozenset({"guest"})).status == 413


def test_orders_of_an_operator_are_bounded_but_not_judged():
    scale = route("/scale_elastic_ep", "engine_scale")
    passes({"new_data_parallel_size": 2, "priority": 5}, scale)
    checked_by = guard({"guest": Caps(body_bytes=1024)})
    assert refusal_of({"x": "y" * 1024}, scale, checked_by, frozenset({"guest"})).status == 413


def test_only_served_models_can_be_asked():
    guard().check_model(document({"model": "m"}))
    guard().check_model(document({}))
    for name in ("secret", ""):
        with pytest.raises(RefusedError) as caught:
            guard().check_model(document({"model": name}))
        refusal = caught.value.refusal
        assert (refusal.status, refusal.reason, refusal.param) == (404, "model_not_found", "model")
        assert "secret" not in refusal.message


@pytest.mark.parametrize(
    ("body", "access", "tokens"),
    [
        ({"max_tokens": 7}, CHAT, 7),
        ({}, CHAT, 100),
        ({"max_tokens": None}, CHAT, 100),
        ({}, COMPLETION, 16),
        ({"max_tokens": None}, COMPLETION, 100),
        ({"max_tokens": 1_000_000}, CHAT, 100),
        ({"input": "a"}, route("/v1/embeddings"), 0),
        ({"max_tokens": 9}, route("/v2/embed"), 0),
        ({"prompt": "a"}, route("/tokenize"), 0),
    ],
)
def test_how_long_an_answer_can_get_is_known_before(body: dict[str, Any], access: Access, tokens: int):
    assert guard(max_tokens=100).answer_tokens(document(body), access, NOBODY) == tokens


def test_without_a_cap_the_model_bounds_an_answer():
    assert guard().answer_tokens(document({}), CHAT, NOBODY) == 8192


def test_every_line_of_the_table_has_a_reason_and_every_cap_exists():
    assert list(TABLE) == sorted(TABLE)
    for field in TABLE.values():
        assert field.note
        assert (field.cap is not None) == (field.treatment is Treatment.CAPPED)
        assert field.cap is None or field.cap in Caps.model_fields


words = st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from(["type", "content"]), inner),
    max_leaves=6,
)


@settings(derandomize=True, max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted(fields.TABLE)) | words, values, max_size=5))
def test_whatever_a_field_holds_the_guard_answers(body: dict[str, Any]):
    try:
        found = document(body)
    except RefusedError:
        return
    for access in (CHAT, COMPLETION, RESPONSES):
        try:
            guards.Guard.check(guard(), found, access, NOBODY)
        except RefusedError as error:
            assert error.refusal.status in {400, 413}  # noqa: PT017  whatever is raised, it is a refusal of these
