"""What a request may ask of the engine, and how much of it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.access import Access, Body, Risk
from deepseek_local.gateway import documents, fields, guards
from deepseek_local.gateway.caps import RoleCeilings, strictest
from deepseek_local.gateway.fields import TABLE, Treatment
from deepseek_local.gateway.guards import Guard
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.profile.front_door import Caps, Limits

NOBODY: frozenset[str] = frozenset()


def route(path: str, resource: str = "inference_chat") -> Access:
    return Access(path, resource, "execute", Risk.GUARDED, Body.JSON)


CHAT = route("/v1/chat/completions")
COMPLETION = route("/v1/completions")
RESPONSES = route("/v1/responses")


def guard(roles: dict[str, Caps] | None = None, **limits: Any) -> Guard:
    return Guard(RoleCeilings(Limits(**limits), roles or {}), frozenset({"m"}), 8192, b"k" * 32)


def document(body: dict[str, Any]) -> documents.Document:
    return documents.parse(json.dumps(body).encode())


def refusal_of(
    body: dict[str, Any], access: Access = CHAT, checked_by: Guard | None = None, roles: frozenset[str] = NOBODY
) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        (checked_by or guard()).check(document(body), access, roles)
    return caught.value.refusal


def passes(body: dict[str, Any], access: Access = CHAT, checked_by: Guard | None = None) -> None:
    (checked_by or guard()).check(document(body), access, NOBODY)


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
        ({"prompt": ["a"] * 17}, COMPLETION),
        ({"prompt": [[1]] * 17}, COMPLETION),
        ({"input": ["a"] * 17}, route("/v1/embeddings")),
        ({"documents": ["a"] * 17, "query": "q"}, route("/rerank")),
        ({"messages": [{"role": "user"}] * 11}, CHAT),
        ({"messages": [[{"role": "user"}] * 6] * 2}, route("/v1/chat/completions/batch")),
        ({"messages": [[{"role": "user"}]] * 17}, route("/v1/chat/completions/batch", "inference_batch")),
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


@pytest.mark.parametrize(
    "field",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"a": "x" * 90}}}},
        {"structured_outputs": {"regex": "x" * 90}},
        {"structured_outputs": {"grammar": "x" * 90}},
        {"tools": [{"type": "function", "function": {"parameters": {"a": "x" * 90}}}]},
        {"messages": [{"role": "system", "content": [{"tool": {"definition": {"name": "x" * 90}}}]}]},
    ],
)
def test_schemas_are_bounded_in_bytes(field: dict[str, Any]):
    assert "bytes of schemas" in refusal_of(field, CHAT, guard(schema_bytes=100)).message
    passes(field)


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels > 1 else {}


@pytest.mark.parametrize(
    ("levels", "is_fine"), [(5, True), (6, False)]
)  # fmt: skip
@pytest.mark.parametrize(
    "wrap",
    [
        lambda schema: {"response_format": {"json_schema": {"schema": schema}}},
        lambda schema: {"text": {"format": {"schema": schema}}},
        lambda schema: {"output_config": {"format": {"schema": schema}}},
        lambda schema: {"structured_outputs": {"json": schema}},
        lambda schema: {"structured_outputs": {"json": json.dumps(schema)}},
        lambda schema: {"tools": [{"function": {"parameters": schema}}]},
    ],
)
def test_schemas_are_bounded_in_depth(wrap: Any, levels: int, is_fine: bool):  # noqa: FBT001  a table's column
    checked_by = guard(schema_depth=5)
    if is_fine:
        passes(wrap(nested(levels)), CHAT, checked_by)
    else:
        assert "levels of a schema" in refusal_of(wrap(nested(levels)), CHAT, checked_by).message


def test_a_schema_in_a_text_must_be_json():
    assert "must be JSON" in refusal_of({"structured_outputs": {"json": "{"}}).message


@pytest.mark.parametrize("tool", [{"type": "mcp", "server_url": "http://x"}, {"type": "web_search"}, {"type": []}, "f"])
def test_tools_that_somebody_else_runs_are_refused(tool: object):
    assert refusal_of({"tools": [tool]}).param == "tools"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://elsewhere/a.png"}},
        {"type": "image_url", "image_url": "file:///etc/passwd"},
        {"image_url": "http://elsewhere"},
        {"type": "audio_url", "audio_url": {"url": "http://elsewhere"}},
        {"type": "video_url", "video_url": {"url": " data:,"}},
        {"type": "input_image", "image_url": "http://elsewhere"},
        {"type": "input_file", "file_url": "data:,"},
        {"type": "image_embeds", "image_embeds": "AAAA"},
        {"type": "prompt_embeds", "data": "AAAA"},
        {"image_pil": None},
        {"type": "text", "text": "t", "uuid": "of-somebody"},
        {"type": "image", "source": {"type": "url", "url": "http://elsewhere"}},
        {"type": "image", "source": {"url": "http://elsewhere"}},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url"}}]},
        {"type": "item_reference", "id": "r"},
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda part: {"messages": [{"role": "user", "content": ["text", part]}]},
        lambda part: {"messages": [[{"role": "user", "content": [part]}]]},
        lambda part: {"input": [{"role": "user", "content": [part]}]},
        lambda part: {"input": [{"type": "function_call_output", "output": [part]}]},
        lambda part: {"system": [part]},
        lambda part: {"query": {"content": [part]}},
        lambda part: {"documents": ["a", {"content": [part]}]},
    ],
)
def test_media_from_elsewhere_are_refused_wherever_they_stand(part: dict[str, Any], wrap: Any):
    refusal = refusal_of(wrap(part))
    assert refusal.reason == "field_refused"
    assert refusal.param in wrap(part)
    assert "elsewhere" not in refusal.message


@pytest.mark.parametrize(
    "extra", [{"type": "item_reference"}, {"output": [{"uuid": "u"}]}, {"source": {}}, {"uuid": 1}]
)
def test_a_message_of_one_text_is_looked_at_as_well(extra: dict[str, Any]):
    assert refusal_of({"input": [{"role": "user", "content": "text", **extra}]}).param == "input"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}]},
        {"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": "x"}}]}]},
        {"messages": [{"content": [{"type": "tool_use", "input": {"image_url": "https://elsewhere"}}]}]},
        {"documents": [{"title": "t", "file": "a.pdf", "uuid": "u"}]},
        {"images": ["data:image/png,x"]},
        {"metadata": {"uuid": "u"}},
    ],
)
def test_media_that_carry_themselves_pass(body: dict[str, Any]):
    passes(body)


def test_lists_of_addresses_are_looked_at_too():
    assert refusal_of({"images": ["data:,", "http://elsewhere"]}).param == "images"
    assert refusal_of({"videos": "http://elsewhere"}).param == "videos"


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
