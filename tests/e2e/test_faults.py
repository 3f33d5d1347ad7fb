"""Parts of a running deployment are killed; it recovers, and no acknowledged record is lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import rfc_proof
import segment_files
from served import children, lives, until

pytestmark = pytest.mark.e2e

BODY = {
    "model": "demo",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0,
    "max_tokens": 16,
}


def test_a_killed_sequencer_means_503_until_it_is_back_and_the_engine_stays(deployment) -> None:
    engine, sequencer = deployment.engine, deployment.sequencer
    os.kill(deployment.process.pid, signal.SIGSTOP)  # so that nobody starts it again before we have asked
    os.kill(sequencer, signal.SIGKILL)
    until(lambda: not lives(sequencer), "the sequencer's end")
    with deployment.http(deployment.token) as client:
        assert client.get("/health").status_code == 200
        refused = client.post("/v1/chat/completions", json=BODY)
        os.kill(deployment.process.pid, signal.SIGCONT)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        until(lambda: client.post("/v1/chat/completions", json=BODY).status_code == 200, "an answer")
    assert deployment.engine == engine
    assert deployment.sequencer != sequencer


def engine_core(deployment) -> int:
    """Find the process that computes, below the API server."""
    for pid in children(deployment.engine):
        if b"EngineCore" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("there is no EngineCore")


def test_a_killed_engine_breaks_the_stream_and_comes_back(deployment) -> None:
    old = deployment.engine
    with deployment.http(deployment.token) as client:
        body = {**BODY, "stream": True, "max_tokens": 1500, "ignore_eos": True}
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            request_id = response.headers["x-request-id"]
            lines = response.iter_lines()
            next(lines)
            os.kill(engine_core(deployment), signal.SIGKILL)
            rest: list[str] = []
            try:
                rest.extend(lines)
            except httpx.HTTPError:
                rest.append("broken")
            assert any("broken" in line or "error" in line for line in rest)
    deployment.until_ready(240, count=2)
    assert deployment.engine != old
    assert not lives(old)
    assert "the engine ended and is started again" in deployment.said
    kinds = [record["kind"] for record in deployment.records(request_id)]
    assert kinds in (["decision", "outcome"], ["decision"])
    with deployment.http(deployment.token) as client:
        answer = client.post("/v1/chat/completions", json=BODY).json()
    assert answer["choices"][0]["message"]["content"] == "The capital of France is Paris."


def test_the_log_has_no_holes_after_all_of_this(deployment) -> None:
    lines = list(segment_files.lines(deployment.home / "audit"))
    assert [json.loads(line)["seq"] for line in lines] == list(range(len(lines)))


def test_the_log_is_intact_after_all_of_this_and_proves_a_record_to_an_outsider(deployment, tmp_path: Path) -> None:
    with deployment.http(deployment.token) as client:
        request_id = client.post("/v1/chat/completions", json=BODY).headers["x-request-id"]
    audit = ["--directory", str(deployment.home / "audit")]
    made = json.loads(command("audit", "init", *audit, "--format", "json"))
    key, first = made["verifier_key"], tmp_path / "first.key"
    first.write_text(made["first_key"])
    last = deployment.records(request_id)[-1]["seq"]
    until(lambda: sealed_records(deployment) > last, "the newest record is sealed")
    assert command("audit", "verify", *audit, "--key", key, "--mac-key", str(first)).startswith("intact: ")

    proof = tmp_path / "proof"
    seq = str(deployment.records(request_id)[0]["seq"])
    command("audit", "prove", seq, *audit, "--key", key, "--output", str(proof))
    assert request_id in command("audit", "check-proof", str(proof), "--key", key)
    assert request_id in rfc_proof.record_of(proof.read_text(), key).decode()


def sealed_records(deployment) -> int:
    """Return how many records the newest checkpoint covers: its second line."""
    return int((deployment.home / "audit" / "tlog" / "checkpoint").read_text().splitlines()[1])


def command(*arguments: str) -> str:
    """Run the command line as an auditor would, and return what it says."""
    run = (sys.executable, "-m", "deepseek_local", *arguments)
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout
