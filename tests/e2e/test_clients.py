"""Ordinary clients: the official `openai` package and our own `chat`."""

import subprocess
import sys
from pathlib import Path

import httpx
import openai
import pytest
from served import until

pytestmark = pytest.mark.e2e

QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
ASKED = [{"role": "user", "content": QUESTION}]


def connected(token: str, deployment) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{deployment.url}/v1", api_key=token, max_retries=0)


@pytest.fixture(scope="module")
def client(deployment):
    with connected(deployment.token, deployment) as client:
        yield client


def test_chat(client) -> None:
    answer = client.chat.completions.create(model="demo", messages=ASKED, temperature=0)
    assert answer.choices[0].message.content == ANSWER
    assert answer.usage.completion_tokens > 0


def test_chat_streams(client) -> None:
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(model="demo", messages=ASKED, temperature=0, stream=True)
    ]
    assert "".join(pieces) == ANSWER
    assert len(pieces) > 3


def test_completions(client) -> None:
    answer = client.completions.create(model="demo", prompt="The capital of France is", max_tokens=8, temperature=0)
    assert "Paris" in answer.choices[0].text


def test_models(client) -> None:
    assert [model.id for model in client.models.list()] == ["demo"]


def test_a_wrong_token_is_an_authentication_error(deployment) -> None:
    with connected("dsk_wrong", deployment) as client, pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.code == "unauthenticated"
    assert caught.value.request_id


def test_a_missing_role_is_a_permission_denied_error(deployment, stranger) -> None:
    with connected(stranger, deployment) as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="demo", messages=ASKED)
    assert caught.value.code == "forbidden"


def test_a_revoked_token_is_refused_within_a_second(deployment) -> None:
    token = deployment.token_of("u:demo")
    with deployment.http(token) as client:
        assert client.get("/v1/models").status_code == 200
        command = [sys.executable, "-m", "deepseek_local", "token", "revoke", token.split("_")[1]]
        subprocess.run(
            [*command, "--profile", "cpu-demo", "--home", str(deployment.home)], check=True, capture_output=True
        )
        until(lambda: client.get("/v1/models").status_code == 401, "the refusal", seconds=1)


def chat(deployment, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deepseek_local", "chat", "--home", str(deployment.home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


def test_the_terminal_answers_with_paris(deployment) -> None:
    done = chat(deployment, QUESTION)
    assert (done.stdout, done.stderr, done.returncode) == (f"{ANSWER}\n", "", 0)


def test_the_terminal_takes_a_question_from_standard_input(deployment) -> None:
    done = chat(
        deployment,
        "--temperature",
        "0",
        "--system",
        "You are a helpful assistant.",
        "--max-tokens",
        "5",
        input=QUESTION,
    )
    assert done.stdout.startswith("The capital of France")
    assert done.returncode == 0


def test_the_terminal_tells_a_refusal_in_one_sentence(deployment, stranger, tmp_path) -> None:
    (tmp_path / "token").write_text(stranger)
    done = chat(deployment, "--url", deployment.url, "--token-file", str(tmp_path / "token"), QUESTION)
    assert done.returncode == 1
    assert done.stderr.startswith("403 The policy does not allow this; ask for a role")
    assert stranger not in done.stdout + done.stderr


def test_every_request_leaves_a_decision_and_an_outcome(deployment) -> None:
    with deployment.http(deployment.token) as client:
        body = {"model": "demo", "messages": ASKED, "max_tokens": 4, "temperature": 0}
        whole = client.post("/v1/chat/completions", json=body)
        streamed = client.post("/v1/chat/completions", json={**body, "stream": True})
    for response in (whole, streamed):
        decision, outcome = deployment.records(response.headers["x-request-id"])
        assert (decision["kind"], decision["dec"], decision["attr"]["model"]) == ("decision", "allow", "demo")
        assert (outcome["kind"], outcome["status"], outcome["aborted"]) == ("outcome", 200, False)
        assert decision["seq"] < outcome["seq"]
        assert decision["sub"]["id"] == "u:demo"


def running(deployment, admin: str) -> float:
    """Return how many requests the engine computes, from its own metrics."""
    with deployment.http(admin) as client:
        text = client.get("/metrics").text
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("vllm:num_requests_running")
    )


def test_a_client_that_leaves_early_aborts_the_generation(deployment, admin) -> None:
    body = {"model": "demo", "messages": ASKED, "stream": True, "max_tokens": 1500, "ignore_eos": True}
    with (
        deployment.http(deployment.token) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as response,
    ):
        request_id = response.headers["x-request-id"]
        lines = response.iter_lines()
        next(lines)
        until(lambda: running(deployment, admin) == 1, "the running request")
    until(lambda: running(deployment, admin) == 0, "the abort", seconds=10)
    until(lambda: len(deployment.records(request_id)) == 2, "the outcome")
    assert deployment.records(request_id)[1]["aborted"] is True


def test_nothing_but_loopback_listens(deployment) -> None:
    port = httpx.URL(deployment.url).port
    addresses = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
    ]
    assert addresses == [f"0100007F:{port:04X}"]
