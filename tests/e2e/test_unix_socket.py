"""The second configuration: a Unix socket and two API processes; its supervisor is killed, and nothing outlives it."""

import json
import stat
import time

import pytest
from served import until

pytestmark = pytest.mark.e2e

BODY = {"model": "demo", "messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0}


def test_both_api_processes_answer_decide_and_record(behind_a_socket) -> None:
    pids = set()
    for _ in range(40):
        with behind_a_socket.client(timeout=60) as client:
            response = client.get("/v1/models")
            assert response.status_code == 200
        (decision, _) = behind_a_socket.records(response.headers["x-request-id"])
        pids.add(decision["pid"])
        if len(pids) == 2:
            break
    assert len(pids) == 2
    with behind_a_socket.client(timeout=60) as client:
        answer = client.post("/v1/chat/completions", json=BODY).json()
    assert answer["choices"][0]["message"]["content"] == "The capital of France is Paris."


def test_one_edit_of_the_policy_counts_in_both_processes(behind_a_socket) -> None:
    limited = behind_a_socket.token_of("u:limited")
    users = behind_a_socket.home / "users.csv"
    users.write_text(users.read_text() + "g, u:limited, operator\n")
    edited = time.monotonic()
    pids: set[object] = set()
    while len(pids) < 2 and time.monotonic() < edited + 60:
        response = ask(behind_a_socket, limited)
        (decision, *_) = behind_a_socket.records(response.headers["x-request-id"])
        # A second after the edit both processes must know it; until then, either may not.
        assert decision["dec"] == "allow" or time.monotonic() < edited + 1
        pids |= {decision["pid"]} if decision["dec"] == "allow" else set()
    assert len(pids) == 2
    loads = [record for record in behind_a_socket.log_of_records() if record["kind"] == "policy_load"]
    newest = {record["pid"]: record["pol"] for record in loads}
    assert newest.keys() == pids
    assert set(newest.values()) == {decision["pol"]}


def test_both_processes_count_in_one_quota(behind_a_socket) -> None:
    limited = behind_a_socket.token_of("u:limited")
    while (response := ask(behind_a_socket, limited)).status_code == 200:
        assert "x-ratelimit-remaining-tokens" in response.headers
    assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    records = behind_a_socket.log_of_records()
    mine = {record["req"]: record["pid"] for record in records if record.get("sub", {}).get("id") == "u:limited"}
    assert len(set(mine.values())) == 2
    used = [sum(record["tokens"][way] for way in ("in", "out")) for record in records if told(record, mine)]
    (entry,) = json.loads(behind_a_socket.command("quota", "show", "--format", "json"))
    assert (entry["counter"], entry["kind"], entry["used"]) == ("principal=u:limited", "tokens_per_day", sum(used))
    assert 2000 - 200 < sum(used) <= 2000


def test_the_log_has_one_order_without_gaps(behind_a_socket) -> None:
    records = behind_a_socket.log_of_records()
    assert [record["seq"] for record in records] == list(range(len(records)))


def ask(deployment, token: str):  # type: ignore[no-untyped-def]  # httpx names no type for it
    """Ask for one token, over a connection of its own: the kernel chooses the process that takes it."""
    with deployment.client(timeout=60) as client:
        return client.post(
            "/v1/chat/completions", json={**BODY, "max_tokens": 1}, headers={"authorization": f"Bearer {token}"}
        )


def told(record: dict[str, object], requests: dict[str, object]) -> bool:
    """Whether a record tells the tokens of one of these requests."""
    return record["kind"] == "outcome" and record["req"] in requests and "tokens" in record


def test_only_owner_and_group_may_connect(behind_a_socket) -> None:
    runtime = behind_a_socket.home / "run"
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o750
    assert stat.S_IMODE((runtime / "front.sock").stat().st_mode) == 0o660
    assert json.loads((runtime / "state.json").read_text())["url"] == f"unix:{runtime}/front.sock"


def test_nothing_outlives_a_supervisor_that_was_killed(behind_a_socket) -> None:
    assert len(behind_a_socket.processes()) > 4
    behind_a_socket.process.kill()
    until(lambda: behind_a_socket.processes() == (), "the end of all processes", seconds=60)
