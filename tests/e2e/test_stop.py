"""The end of the shared deployment: it drains."""

import signal
import threading

import pytest
from served import until

pytestmark = pytest.mark.e2e

BODY = {
    "model": "demo",
    "messages": [{"role": "user", "content": "Tell me a story."}],
    "max_tokens": 120,
    "ignore_eos": True,
}
PROBE = {**BODY, "max_tokens": 1}
"""Done at once where it is still let in, so that the next one comes while the stream goes on."""


def test_sigterm_lets_a_stream_finish_refuses_the_rest_and_leaves_nothing(deployment) -> None:
    lines: list[str] = []

    def listen() -> None:
        with (
            deployment.http(token) as client,
            client.stream("POST", "/v1/chat/completions", json={**BODY, "stream": True}) as response,
        ):
            ids.append(response.headers["x-request-id"])
            for line in response.iter_lines():
                lines.append(line)  # noqa: PERF402 -- the test looks at it while it grows

    ids: list[str] = []
    token = deployment.token
    listener = threading.Thread(target=listen)
    with deployment.http(token) as client:
        listener.start()
        until(lambda: len(lines) > 5, "the first words")
        deployment.ask_to_stop(signal.SIGTERM)
        until(lambda: client.post("/v1/chat/completions", json=PROBE).status_code == 503, "a refusal")
        assert "data: [DONE]" not in lines
        refused = client.post("/v1/chat/completions", json=PROBE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    listener.join(60)
    assert "data: [DONE]" in lines
    assert sum(line.startswith('data: {"id"') for line in lines) >= 120
    assert deployment.exit_code() == 0
    assert deployment.processes() == ()
    assert list((deployment.home / "run").iterdir()) == []
    assert [record["kind"] for record in deployment.records(ids[0])] == ["decision", "outcome"]
