"""The second configuration: a Unix socket and two API processes; its supervisor is killed, and nothing outlives it."""

import json
import stat

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


def test_only_owner_and_group_may_connect(behind_a_socket) -> None:
    runtime = behind_a_socket.home / "run"
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o750
    assert stat.S_IMODE((runtime / "front.sock").stat().st_mode) == 0o660
    assert json.loads((runtime / "state.json").read_text())["url"] == f"unix:{runtime}/front.sock"


def test_nothing_outlives_a_supervisor_that_was_killed(behind_a_socket) -> None:
    assert len(behind_a_socket.processes()) > 4
    behind_a_socket.process.kill()
    until(lambda: behind_a_socket.processes() == (), "the end of all processes", seconds=60)
