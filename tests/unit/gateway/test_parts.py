"""The small parts of the front door: ids, headers, token counts, bodies, refusals."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.gateway import body, headers, refusal, replies, request_id, usage
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.gateway.requests import request_of
from deepseek_local.profile.front_door import Limits

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LIMITS = Limits(body_bytes=1024, body_timeout_seconds=5)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_the_number_in_base_32(milliseconds: int, randomness: bytes):
    text = request_id.encode(milliseconds, randomness)
    assert len(text) == 26
    value = 0
    for character in text:
        value = value * 32 + ALPHABET.index(character)
    assert value == milliseconds << 80 | int.from_bytes(randomness)


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(milliseconds: int, first: bytes, second: bytes):
    assert request_id.encode(milliseconds, first) < request_id.encode(milliseconds + 1, second)


def test_minted_ids_differ():
    assert len({request_id.mint() for _ in range(1000)}) == 1000


@given(
    st.lists(
        st.sampled_from([b"x-request-id", b"X-Request-ID", b"x-ds-user", b"content-type", b"authorization"]), max_size=5
    )
)
def test_the_request_id_is_there_once_in_both_directions(names: list[bytes]):
    given_headers = [(name, b"theirs") for name in names]
    for kept in (
        headers.towards_engine([(name.lower(), value) for name, value in given_headers], b"ours"),
        headers.towards_client(given_headers, b"ours"),
    ):
        assert [value for name, value in kept if name.lower() == b"x-request-id"] == [b"ours"]


@pytest.mark.parametrize(
    "name",
    [
        *(b"authorization", b"proxy-authorization", b"x-api-key", b"cookie"),
        *(b"x-vllm-priority", b"x-data-parallel-rank", b"x-session-id", b"endpoint-load-metrics-format"),
        *(b"x-amzn-sagemaker-adapter-identifier", b"x-amzn-sagemaker-session-id", b"x-ds-proxy"),
        *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
    ],
)
def test_what_only_we_may_say_does_not_reach_the_engine(name: bytes):
    kept = headers.towards_engine([(name, b"1"), (b"accept", b"*/*")], b"ours")
    assert kept == [(b"accept", b"*/*"), (b"x-request-id", b"ours")]


def test_the_engine_is_told_the_length_of_the_body_that_it_gets():
    theirs = [(b"content-length", b"7"), (b"content-type", b"application/json")]
    kept = headers.towards_engine([*theirs, (b"transfer-encoding", b"chunked")], b"ours", 70)
    assert kept == [theirs[1], (b"x-request-id", b"ours"), (b"content-length", b"70")]


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip"])
def test_a_compressed_body_is_not_read(encoding: bytes):
    with pytest.raises(RefusedError, match="encoded") as caught:
        read(announced=(b"content-encoding", encoding))
    assert caught.value.refusal.status == 415


def test_a_body_that_says_it_is_not_encoded_is_read():
    assert read(part(b"{}"), announced=(b"content-encoding", b"Identity")) == b"{}"


@pytest.mark.parametrize(
    ("chunk", "counts"),
    [
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}', {"in": 3, "out": 4}),
        (b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n', {"in": 3, "out": 4}),
        (
            b'event: message_delta\ndata: {"type":"message_delta","usage":{"input_tokens":3,"output_tokens":4}}\n\n',
            {"in": 3, "out": 4},
        ),
        (
            b'event: response.completed\ndata: {"response":{"usage":{"input_tokens":3,"output_tokens":4}}}\n\n',
            {"in": 3, "out": 4},
        ),
        (b'{"usage":{"prompt_tokens":3}}', {"in": 3}),
        (
            b'data: {"choices":[{"delta":{"content":"data: x"}}],"usage":{"prompt_tokens":0,"completion_tokens":1}}\n\n',
            {"in": 0, "out": 1},
        ),
        (b'{"usage":null}', None),
        (b'{"usage":{"prompt_tokens":"3"}}', None),
        (b'{"usage":', None),
        (b'{"text":"\\"usage\\""}', None),
        (b"data: [DONE]\n\n", None),
        (b"", None),
        (b'{"usage":{"prompt_tokens":3}}' + b" " * usage.MAXIMUM_BYTES, None),
        (
            b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\ndata: [DONE]\n\n',
            {"in": 3, "out": 4},
        ),
        (
            b'{"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8}}}',
            {"in": 9, "out": 4, "cached": 8},
        ),
        (
            b'{"usage":{"input_tokens":9,"output_tokens":4,"input_tokens_details":{"cached_tokens":0}}}',
            {"in": 9, "out": 4, "cached": 0},
        ),
        (
            b'{"usage":{"input_tokens":1,"output_tokens":4,"cache_read_input_tokens":8,"cache_creation_input_tokens":2}}',
            {"in": 11, "out": 4, "cached": 8},
        ),
    ],
)
def test_tokens_are_read_where_an_engine_tells_them(chunk: bytes, counts: dict[str, int] | None):
    assert usage.tokens((b"data: [DONE]\n\n", chunk)) == counts


@given(st.binary(max_size=60))
def test_no_answer_makes_the_count_of_tokens_fail(chunk: bytes):
    usage.tokens((b'"usage"' + chunk, chunk + b'"usage"', b"data: " + chunk + b'"usage"'))


def scope(**changes: object) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "raw_path": b"/v1/models",
        "root_path": "",
        "client": ("10.0.0.5", 1),
        **changes,
    }


def test_a_request_is_known_by_the_literal_path_only():
    assert request_of(scope()).access is not None
    assert request_of(scope(raw_path=None)).access is not None
    assert request_of(scope(raw_path=b"/%76%31/models")).access is None
    assert request_of(scope(root_path="/v1")).access is None
    assert request_of(scope(path="/v1/modèls", raw_path="/v1/modèls".encode())).access is None


def test_a_peer_on_a_unix_socket_is_called_so():
    assert request_of(scope(client=None)).peer == "unix"
    assert request_of(scope()).peer == "10.0.0.5"


def read(*messages: dict[str, Any], announced: tuple[bytes, bytes] | None = None, limits: Limits = LIMITS) -> bytes:
    queue = list(messages)

    async def receive() -> dict[str, Any]:
        if queue:
            return queue.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return asyncio.run(body.read(receive, [announced] if announced else [], limits))


def part(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_is_joined_from_its_parts():
    assert read(part(b"a", more=True), {"type": "http.request", "more_body": True}, part(b"b")) == b"ab"


@pytest.mark.parametrize("announced", [b"1025", b"9" * 30])
def test_an_announced_body_that_is_too_large_is_not_read(announced: bytes):
    with pytest.raises(RefusedError, match="too_large"):
        read(announced=(b"content-length", announced))


def test_a_body_that_grows_too_large_is_refused():
    with pytest.raises(RefusedError, match="too_large"):
        read(part(b"a" * 1024, more=True), part(b"a"))


def test_a_body_that_does_not_come_is_refused():
    with pytest.raises(RefusedError, match="too_slow"):
        read(part(b"a", more=True), limits=Limits(body_bytes=1024, body_timeout_seconds=0.01))


def test_a_client_that_leaves_is_noticed():
    with pytest.raises(RefusedError, match="disconnected"):
        read(part(b"a", more=True), {"type": "http.disconnect"})


def sent(kind: str, extensions: dict[str, Any], refused: Refusal, *, close: bool = False) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    asyncio.run(replies.send_refusal({"type": kind, "extensions": extensions}, send, refused, "ID", close=close))
    return messages


def test_a_refusal_has_the_shape_that_openai_clients_read():
    start, answer = sent("http", {}, refusal.NO_RECORD)
    assert start["status"] == 503
    assert dict(start["headers"]) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(answer["body"]),
        b"x-request-id": b"ID",
        b"retry-after": b"5",
    }
    assert json.loads(answer["body"])["error"]["code"] == "no_record"


def test_a_websocket_is_refused_by_an_answer_where_the_server_can_give_one():
    start, answer = sent("websocket", {"websocket.http.response": {}}, refusal.FORBIDDEN)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert (answer["type"], json.loads(answer["body"])["error"]["code"]) == (
        "websocket.http.response.body",
        "forbidden",
    )


def test_a_websocket_is_refused_by_closing_where_the_server_cannot():
    assert sent("websocket", {}, refusal.FORBIDDEN) == [
        {"type": "websocket.close", "code": 1008, "reason": "forbidden"}
    ]


def test_every_refusal_has_its_own_reason():
    known = [value for value in vars(refusal).values() if isinstance(value, Refusal)]
    assert len({each.reason for each in known}) == len(known) == 11
