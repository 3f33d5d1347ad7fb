"""The two records of a request: what they say, and that each is on disk before what it vouches for."""

import hashlib
import hmac
import json

import pytest

from deepseek_local.policy.enforcer import load
from tests.integration.gateway.conftest import Door
from tests.integration.gateway.stub_engine import ANSWER, DONE, USAGE, WORD

pytestmark = pytest.mark.integration

ENVELOPE = {"v", "seq", "ts", "mono", "boot", "node", "pid", "cseq", "kind"}


def fields(record: object) -> dict[str, object]:
    assert isinstance(record, dict)
    return {name: value for name, value in record.items() if name not in ENVELOPE}


def test_the_decision_is_on_disk_before_the_engine_sees_the_request(door: Door):
    response = door.ask(door.olga)
    assert [record["kind"] for record in door.seen(response).records] == ["decision"]


def test_the_outcome_is_on_disk_before_an_answer_is_complete(door: Door):
    # The answer is complete for this client when it has all announced bytes; it looks at the log at that very moment.
    response = door.ask(door.olga)
    assert [record["kind"] for record in door.records_of(response)] == ["decision", "outcome"]


@pytest.mark.parametrize(
    "farewell",
    [
        DONE.decode(),
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        'event: response.completed\ndata: {"response":{},"sequence_number":9,"type":"response.completed"}\n\n',
        'event: response.incomplete\ndata: {"response":{},"sequence_number":9,"type":"response.incomplete"}\n\n',
        'event: response.failed\ndata: {"response":{},"sequence_number":9,"type":"response.failed"}\n\n',
    ],
)
def test_the_outcome_is_on_disk_before_a_stream_says_that_it_is_done(door: Door, farewell: str):
    body = {"model": "m", "stream": True, "metadata": {"kind": "stream", "pause_at_end": True, "farewell": farewell}}
    with door.client.stream(
        "POST", "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {door.olga}"}
    ) as response:
        received = b""
        kinds_at_done = None
        for chunk in response.iter_raw():
            received += chunk
            if farewell.encode() in received and kinds_at_done is None:
                kinds_at_done = [record["kind"] for record in door.records_of(response)]
                door.engine.go_on.set()
    assert received == WORD * 3 + farewell.encode()
    assert kinds_at_done == ["decision", "outcome"]


def test_the_decision_says_who_what_and_why(door: Door):
    body = json.dumps(
        {"model": "m", "n": 2, "stream": False, "max_tokens": 9, "messages": [], "temperature": 0.5}
    ).encode()
    response = door.ask(door.olga, content=body)
    digest = hmac.new(door.digest_key, body, hashlib.sha256).hexdigest()
    assert fields(door.decision(response)) == {
        "req": response.headers["x-request-id"],
        "ip": "127.0.0.1",
        "route": "POST /v1/chat/completions",
        "sub": {"id": "u:olga", "src": "token", "kid": door.olga[4:16]},
        "act": "execute",
        "obj": "inference_chat",
        "attr": {"model": "m", "n": 2, "stream": False, "max_tokens": 9},
        "dec": "allow",
        "rule": "p:operator/inference_*/execute",
        "pol": load(door.settings().policy_files, door.settings().administrators).digest,
        "prompt": {"hmac": f"k1:{digest}", "bytes": len(body)},
    }


def test_the_outcome_counts_an_answer(door: Door):
    record = fields(door.outcome(door.ask(door.olga)))
    assert record.pop("duration_us") > 0  # type: ignore[operator]  # JSON
    assert record == {
        "req": record["req"],
        "status": 200,
        "answer": {"hmac": f"k1:{hmac.new(door.digest_key, ANSWER, hashlib.sha256).hexdigest()}", "bytes": len(ANSWER)},
        "chunks": 1,
        "aborted": False,
        "tokens": {"in": 7, "out": 1},
    }


def test_the_outcome_counts_a_stream(door: Door):
    record = door.outcome(door.chat(kind="stream", chunks=5))
    assert (record["answer"]["bytes"], record["chunks"]) == (len(WORD) * 5 + len(USAGE) + len(DONE), 7)
    assert (record["status"], record["aborted"], record["tokens"]) == (200, False, {"in": 7, "out": 5})


def test_an_error_of_the_engine_is_an_outcome_too(door: Door):
    response = door.chat(status=429)
    assert (response.status_code, door.outcome(response)["status"]) == (429, 429)


@pytest.mark.parametrize(
    ("token", "method", "path", "expected"),
    [
        (
            None,
            "POST",
            "/v1/chat/completions",
            {"status": 401, "reason": "unauthenticated", "act": "execute", "obj": "inference_chat"},
        ),
        ("ann", "GET", "/metrics", {"status": 403, "reason": "forbidden", "rule": "default", "obj": "ops_metrics"}),
        ("root", "GET", "/nowhere", {"status": 404, "reason": "no_route", "route": "GET /nowhere"}),
        ("root", "POST", "/collective_rpc", {"status": 404, "reason": "no_route", "obj": "engine_rpc"}),
    ],
)
def test_a_refusal_has_one_record(door: Door, token: str | None, method: str, path: str, expected: dict[str, object]):
    response = door.ask(getattr(door, token) if token else None, method, path)
    (record,) = door.records_of(response)
    assert record["dec"] == "deny"
    assert response.status_code == expected["status"]
    assert {name: record[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (None, "there is not exactly one well-formed Authorization header"),
        (f"dsk_0123456789ab_{'x' * 43}", "the token is unknown, expired or revoked"),
    ],
)
def test_a_failed_login_says_why_and_nothing_of_what_was_shown(door: Door, token: str | None, detail: str):
    (record,) = door.records_of(door.ask(token))
    assert (record["dec"], record["reason"], record["detail"]) == ("deny", "unauthenticated", detail)
    assert "sub" not in record
    assert "0123456789ab" not in str(record)


def test_no_record_holds_a_prompt_an_answer_or_a_token(door: Door):
    words = "a-most-secret-prompt"
    door.ask(door.olga, json={"model": "m", "messages": [{"role": "user", "content": words}]})
    door.ask(door.olga, json={"model": [words]})
    door.ask(f"dsk_{words}", json={})
    log = b"".join(path.read_bytes() for path in door.sequencer.directory.glob("segment-*.jsonl"))
    for secret in (words.encode(), WORD, ANSWER, door.olga[17:].encode(), door.olga.encode()):
        assert secret not in log


def test_the_policy_is_recorded_before_the_first_decision_under_it(door: Door):
    door.ask(door.olga)
    records = door.sequencer.records()
    loads = [record for record in records if record["kind"] == "policy_load"]
    first = next(record for record in records if record["kind"] == "decision" and "pol" in record)
    assert loads[0]["pol"] == first["pol"]
    assert loads[0]["seq"] < first["seq"]
