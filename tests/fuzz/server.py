"""
The front door as a process of its own, around an engine that answers everything and writes down what it saw.

    python -m tests.fuzz.server FILE_DESCRIPTOR {h11|httptools} SEEN

SEEN gets one JSON line a request: id, type, method, path. The settings are named by the environment, as for the real engine.
"""

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from deepseek_local.gateway.middleware import PolicyMiddleware
from tests.integration.gateway.conftest import PARSERS

ANSWER = b'{"choices":[{"message":{"content":"word"}}],"usage":{"prompt_tokens":7,"completion_tokens":1}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


class RecordingEngine:
    """The engine's application."""

    def __init__(self, seen: Path) -> None:
        self._seen = seen.open("w", encoding="ascii")

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        names = [value.decode("ascii") for name, value in scope["headers"] if name == b"x-request-id"]
        self._seen.write(json.dumps([*names, scope["type"], scope.get("method"), scope["path"]]) + "\n")
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            return
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})

    async def _live(self, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._seen.close()
        await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    descriptor, parser, seen = sys.argv[1:]
    app = PolicyMiddleware(RecordingEngine(Path(seen)))
    config = uvicorn.Config(
        app,
        http=PARSERS[parser],
        ws="websockets-sansio",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run([socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main()
