"""
A stub for an engine, for speed alone: it stands where vLLM stands, in the same frame (uvicorn, Starlette), and computes nothing.

    python benchmarks/stub_engine.py DESCRIPTOR [--guarded | --authority]

It serves on an inherited listening socket until SIGTERM; `--guarded` puts the front door around it, which reads its settings as always.
With `--authority` it is no engine, but what nginx's `auth_request` asks: it knows one token, looks nothing else up and records nothing.
"""

import argparse
import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from deepseek_local.gateway.asgi import App, Receive, Scope, Send
from deepseek_local.gateway.middleware import PolicyMiddleware

CHUNKS = 128
PATH = "/v1/chat/completions"
ANSWER = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris. " * 10}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 430, "completion_tokens": 20, "total_tokens": 450},
    }
).encode()
TOKENS = {b"Bearer token"}


async def engine(request: Request) -> Response:
    """Answer like an engine that needs no time, with what vLLM answers with: Starlette's responses."""
    question = await request.json()
    if question.get("stream"):
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


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Do as vLLM's API servers do (vllm/entrypoints/launchers/utils/server_utils.py): what was made until now is garbage never."""
    gc.collect()
    gc.freeze()
    yield


async def authority(scope: Scope, _: Receive, send: Send) -> None:
    """Say whether a token is known."""
    known = any(name == b"authorization" and value in TOKENS for name, value in scope["headers"])
    await send({"type": "http.response.start", "status": 204 if known else 401, "headers": []})
    await send({"type": "http.response.body"})


def serve(descriptor: int, app: App) -> None:
    """Run one server on an inherited socket, until SIGTERM."""
    config = uvicorn.Config(app, http="httptools", loop="uvloop", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("descriptor", type=int)
    role = parser.add_mutually_exclusive_group()
    role.add_argument("--guarded", action="store_true")
    role.add_argument("--authority", action="store_true")
    arguments = parser.parse_args()
    app = Starlette(routes=[Route(PATH, engine, methods=["POST"])], lifespan=lifespan)
    if arguments.guarded:
        app.add_middleware(PolicyMiddleware)
    serve(arguments.descriptor, authority if arguments.authority else app)


if __name__ == "__main__":
    main()
