"""WebSockets pass the same checks, before they are accepted."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.integration.gateway.conftest import Door, wait_until

pytestmark = pytest.mark.integration


def dial(door: Door, token: str | None, path: str = "/v1/realtime") -> ClientConnection:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return connect(f"ws://127.0.0.1:{door.port}{path}", additional_headers=headers, proxy=None)


def test_an_allowed_conversation_is_recorded_at_both_ends(door: Door):
    with dial(door, door.olga) as conversation:
        request_id = conversation.response.headers["x-request-id"]
        conversation.send("hello")
        assert conversation.recv() == "hello"
        wait_until(lambda: len(door.sequencer.records_of(request_id)) == 2, "the end is recorded")
    decision, outcome = door.sequencer.records_of(request_id)
    assert (decision["dec"], decision["obj"], decision["route"]) == (
        "allow",
        "inference_audio",
        "WEBSOCKET /v1/realtime",
    )
    assert (outcome["status"], outcome["answer"]["bytes"], outcome["chunks"], outcome["aborted"]) == (101, 5, 1, False)


def test_a_conversation_that_the_engine_does_not_accept_is_recorded_as_the_client_sees_it(door: Door):
    with pytest.raises(InvalidStatus) as caught, dial(door, door.olga, "/v1/realtime?refuse"):
        pass
    assert caught.value.response.status_code == 403
    decision, outcome = door.sequencer.records_of(door.engine.seen[-1].id)
    assert (decision["dec"], outcome["status"], outcome["aborted"]) == ("allow", 403, False)


@pytest.mark.parametrize(
    ("token", "path", "status", "reason"),
    [
        (None, "/v1/realtime", 401, "unauthenticated"),
        ("ann", "/v1/realtime", 403, "forbidden"),
        ("root", "/v1/chat/completions", 404, "no_route"),
        ("root", "/health", 404, "no_route"),
        ("root", "/v1/realtime/", 404, "no_route"),
    ],
)
def test_a_refused_conversation_does_not_begin(door: Door, token: str | None, path: str, status: int, reason: str):
    before = len(door.engine.seen)
    with pytest.raises(InvalidStatus) as caught, dial(door, getattr(door, token) if token else None, path):
        pass
    response = caught.value.response
    assert response.status_code == status
    (record,) = door.sequencer.records_of(response.headers["x-request-id"])
    assert (record["dec"], record["reason"]) == ("deny", reason)
    assert len(door.engine.seen) == before
