"""
A stub for vLLM's engine core, for speed alone: it takes what vLLM's API server sends there, and answers at once, without a model.

A plain request gets its whole answer in one step. Streams get one token each in every step, all of them together, as continuous batching
does; each step comes in a turn of the event loop of its own, after what the last one brought has been written.
"""

import asyncio
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, EngineCoreRequest, FinishReason
from vllm.v1.engine.core_client import EngineCoreClient
from vllm.v1.metrics.stats import PrefillStats

PLAIN_TOKENS = 20
FIRST_TOKEN = 1000
"""From here on, a BPE vocabulary has common pieces of words."""


def install() -> None:
    """Let every engine of this process have a stub for its core."""
    EngineCoreClient.make_async_mp_client = staticmethod(lambda **_: StubCore())


class StubCore(EngineCoreClient):  # type: ignore[misc]  # vLLM is untyped
    """What `AsyncLLM` needs of the client of a core (`vllm/v1/engine/core_client.py`)."""

    engine_ranks_managed = (0,)
    resources = SimpleNamespace(engine_dead=False)

    def __init__(self) -> None:
        self._answers: dict[str, Iterator[EngineCoreOutput]] = {}
        self._asked = asyncio.Event()

    async def get_supported_tasks_async(self) -> tuple[str, ...]:
        """Generate text, and nothing else."""
        return ("generate",)

    async def add_request_async(self, request: EngineCoreRequest) -> None:
        """Begin an answer with the next step."""
        plain = request.sampling_params.output_kind is RequestOutputKind.FINAL_ONLY
        self._answers[request.request_id] = whole(request) if plain else tokens(request)
        self._asked.set()

    async def abort_requests_async(self, request_ids: list[str]) -> None:
        """Forget requests whose clients have gone."""
        for request_id in request_ids:
            self._answers.pop(request_id, None)

    async def get_output_async(self) -> EngineCoreOutputs:
        """Wait for requests, and return the next step of all."""
        await asyncio.sleep(0)
        while not self._answers:
            self._asked.clear()
            await self._asked.wait()
        step = [next(answer) for answer in self._answers.values()]
        for output in step:
            if output.finished:
                del self._answers[output.request_id]
        return EngineCoreOutputs(outputs=step)

    async def reset_mm_cache_async(self) -> None:
        """Nothing is kept."""

    def shutdown(self, timeout: float | None = None) -> None:
        """Nothing runs."""


def whole(request: EngineCoreRequest) -> Iterator[EngineCoreOutput]:
    """Answer at once, and stop as a model does, with a token that has no text."""
    text = list(range(FIRST_TOKEN, FIRST_TOKEN + PLAIN_TOKENS))
    yield output(request, text, FinishReason.STOP, first=True)


def tokens(request: EngineCoreRequest) -> Iterator[EngineCoreOutput]:
    """Answer with token after token, as many as may be."""
    last = request.sampling_params.max_tokens - 1
    for number in count():
        yield output(
            request, [FIRST_TOKEN + number], FinishReason.LENGTH if number == last else None, first=number == 0
        )


def output(request: EngineCoreRequest, text: list[int], reason: Any, *, first: bool) -> EngineCoreOutput:
    """Write one step of one request."""
    length = len(request.prompt_token_ids)
    prefill = PrefillStats(num_prompt_tokens=length, num_computed_tokens=length) if first else None
    return EngineCoreOutput(request.request_id, text, finish_reason=reason, prefill_stats=prefill)
