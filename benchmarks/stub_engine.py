"""
A stub for an engine, for speed alone: it stands where vLLM stands, in the same frame (uvicorn, Starlette), and computes nothing.

    python benchmarks/stub_engine.py DESCRIPTOR [--guarded]

It serves on an inherited listening socket until SIGTERM; `--guarded` puts the front door around it, which reads its settings as always.
"""

import argparse
import asyncio
import json
import socket
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from deepseek_local.gateway.middleware import PolicyMiddleware

CHUNKS = 128
PATH = "/v1/chat/completions"
ANSWER = json.dumps(
    {"id": "chatcmpl-0", "choices": [{"message": {"role": "assistant", "content": "Paris. " * 30}}]}
).encode()


async def engine(request: Request) -> Response:
    """Answer like an engine that needs no time, with what vLLM answers with: Starlette's responses."""
    question = await request.json()
    if question["stream"]:
        return StreamingResponse(words(), media_type="text/event-stream")
    return Response(ANSWER, media_type="application/json")


async def words() -> AsyncIterator[str]:
    """Stream one token after the other, each written as JSON and in a turn of the event loop of its own."""
    for number in range(CHUNKS):
        choice = {"index": 0, "delta": {"content": f" {number}"}, "logprobs": None, "finish_reason": None}
        chunk = {
            "id": "chatcmpl-0",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "stub",
            "choices": [choice],
        }
        yield f"data: {json.dumps(chunk)}\n\n"
        await asyncio.sleep(0)
    yield "data: [DONE]\n\n"


def serve(descriptor: int, *, guarded: bool) -> None:
    """Run one server on an inherited socket, until SIGTERM."""
    app = Starlette(routes=[Route(PATH, engine, methods=["POST"])])
    if guarded:
        app.add_middleware(PolicyMiddleware)
    config = uvicorn.Config(app, http="httptools", loop="uvloop", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("descriptor", type=int)
    parser.add_argument("--guarded", action="store_true")
    arguments = parser.parse_args()
    serve(arguments.descriptor, guarded=arguments.guarded)


if __name__ == "__main__":
    main()
