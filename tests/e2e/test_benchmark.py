"""The benchmark's second engine: vLLM's own API server with a stub for its engine core, behind the front door."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def client(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.syspath_prepend(BENCHMARKS)
        import processes  # noqa: PLC0415  the benchmarks are programs, not a package
        import surroundings  # noqa: PLC0415
        import vllm_doors  # noqa: PLC0415

        directory = tmp_path_factory.mktemp("bench")
        around = surroundings.prepared(stack, directory / "guarded", surroundings.QUOTAS)
        port = vllm_doors.server(stack, directory, model, around.variables)
        processes.wait_for(port)
        headers = {"authorization": f"Bearer {around.token}"}
        yield stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60)
        )


def body(words: int, **more: object) -> dict[str, object]:
    return {"model": "stub", "messages": [{"role": "user", "content": "Paris " * words}], "max_tokens": 128, **more}


def test_a_plain_answer_has_twenty_tokens_and_its_prompt_is_counted(client: httpx.Client):
    short, long = (client.post("/v1/chat/completions", json=body(words)).json() for words in (10, 50))
    assert short["choices"][0]["message"]["content"]
    assert short["usage"]["completion_tokens"] == 20
    assert long["usage"]["prompt_tokens"] - short["usage"]["prompt_tokens"] == 40


def test_a_stream_has_a_chunk_for_each_of_its_tokens(client: httpx.Client):
    question = body(10, stream=True, stream_options={"include_usage": True})
    events = client.post("/v1/chat/completions", json=question).text.removesuffix("data: [DONE]\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events.split("\n\n") if event]
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert len([text for text in texts if text]) == 128
    assert chunks[-1]["usage"]["completion_tokens"] == 128


def test_without_a_token_the_front_door_refuses(client: httpx.Client):
    assert client.post("/v1/chat/completions", json=body(10), headers={"authorization": ""}).status_code == 401
