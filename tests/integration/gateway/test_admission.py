"""Who gets through the front door: nobody without a token, nobody without a rule, and no spelling gets around it."""

import pytest

from tests.integration.gateway.conftest import Door

pytestmark = pytest.mark.integration


def test_an_allowed_request_reaches_the_engine_with_its_very_bytes(door: Door):
    body = b'{ "model":"m",  "messages":[],"user":"\xc3\xa4" }'
    response = door.ask(door.olga, content=body)
    assert response.status_code == 200
    assert door.sent_to_engine(response) == body


def test_a_refused_request_does_not_reach_the_engine(door: Door):
    before = len(door.engine.seen)
    for token in (None, "nonsense", door.ann):
        assert door.ask(token).status_code in {401, 403}
    assert len(door.engine.seen) == before


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Basic {}",
        "Bearer {}x",
        "Bearer  {}",
        "{}",
        "Token {}",
        "Bearer {0}, Bearer {0}",
        "Bearer dsk_{0}" + "x" * 200,
    ],
)
def test_a_malformed_credential_is_no_identity(door: Door, value: str):
    response = door.ask(None, headers={"authorization": value.format(door.olga)})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert door.decision(response)["reason"] == "unauthenticated"


def test_two_credentials_are_no_identity(door: Door):
    pair = [("authorization", f"Bearer {door.olga}")] * 2
    assert door.client.post("/v1/chat/completions", headers=pair, json={}).status_code == 401


def test_the_canary_may_only_chat(door: Door):
    assert door.ask(door.canary).status_code == 200
    assert door.ask(door.canary, "GET", "/v1/models").status_code == 403


def test_client_headers_that_steer_the_engine_are_dropped(door: Door):
    steering = {
        "x-vllm-priority": "-9",
        "x-data-parallel-rank": "1",
        "x-session-id": "s",
        "endpoint-load-metrics-format": "JSON",
        "x-amzn-sagemaker-adapter-identifier": "other-model",
        "x-ds-user": "u:root",
    }
    response = door.ask(door.olga, headers={**steering, "x-request-id": "mine", "x-harmless": "kept"})
    seen = door.seen(response)
    names = [name for name, _ in seen.headers]
    assert {name.encode() for name in steering}.isdisjoint(names)
    assert b"authorization" not in names
    assert b"x-harmless" in names
    assert names.count(b"x-request-id") == 1
    assert seen.id != "mine"


def test_every_answer_carries_our_request_id_once(door: Door):
    for response in (
        door.ask(door.olga),
        door.ask(None),
        door.ask(None, "GET", "/health"),
        door.ask(None, "GET", "/nothing"),
    ):
        (request_id,) = response.headers.get_list("x-request-id")
        assert len(request_id) == 26


def test_health_is_asked_for_nothing_and_leaves_no_record(door: Door):
    response = door.ask(None, "GET", "/health")
    assert response.status_code == 200
    assert door.records_of(response) == []


def announcing(length: int) -> bytes:
    return f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(("length", "closes"), [(65_536, False), (65_537, True)])
def test_only_the_refusal_of_a_long_body_closes_the_connection(*, door: Door, length: int, closes: bool):
    answer = door.raw(announcing(length))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert (b"connection: close" in answer.lower()) is closes


def test_a_body_that_comes_after_its_refusal_is_thrown_away(door: Door):
    with door.connect() as stream:
        for _ in range(2):
            assert door.raw_on(stream, announcing(5000)).startswith(b"HTTP/1.1 401 ")
            stream.sendall(b"x" * 5000)
        assert door.raw_on(stream, b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 401 ")


def test_the_error_names_type_and_code(door: Door):
    response = door.ask(door.ann)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "error": {
            "message": "The policy does not allow this.",
            "type": "permission_error",
            "param": None,
            "code": "forbidden",
        }
    }
