"""
A stub engine: an ASGI application that stands for vLLM where a test must provoke a fault or look from inside.

It answers in the ways that the field `metadata` of the body asks for, and remembers what it saw. It never generates anything.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}\n\n'
WORD = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
ANSWER = b'{"choices":[{"message":{"content":"word"}}],"usage":{"prompt_tokens":7,"completion_tokens":1}}'

Message = MutableMapping[str, Any]


@dataclass
class Seen:
    """One request, as the engine saw it."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    records: list[Mapping[str, Any]] = field(default_factory=list)
    """What the audit log said about the request when it arrived."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the engine is told that the client left."""

    @property
    def id(self) -> str:
        return dict(self.headers)[b"x-request-id"].decode()


class StubEngine:
    """The application; `records_of` reads the audit log."""

    def __init__(self, records_of: Callable[[str], list[Mapping[str, Any]]]) -> None:
        self.seen: list[Seen] = []
        self.go_on = threading.Event()
        """A stream that was asked to pause waits for this before its last words."""
        self._records_of = records_of

    async def __call__(self, scope: Message, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        seen = Seen(scope.get("method", "WEBSOCKET"), scope["path"], list(scope["headers"]))
        self.seen.append(seen)
        seen.records = self._records_of(seen.id)
        if scope["type"] == "websocket":
            await (self._refuse if scope["query_string"] else self._talk)(receive, send)
            return
        seen.body = await _body(receive)
        wanted = json.loads(seen.body).get("metadata", {}) if seen.body.startswith(b"{") else {}
        await getattr(self, f"_{wanted.get('kind', 'answer')}")(seen, wanted, receive, send)

    async def _answer(self, _: Seen, wanted: Message, __: Any, send: Any) -> None:
        if wanted.get("pause"):
            await self._pause()
        await send(
            {
                "type": "http.response.start",
                "status": wanted.get("status", 200),
                "headers": [(b"X-Request-Id", b"engine's")],
            }
        )
        await send({"type": "http.response.body", "body": ANSWER})

    async def _stream(self, _: Seen, wanted: Message, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for _ in range(wanted.get("chunks", 3)):
            await send({"type": "http.response.body", "body": WORD, "more_body": True})
        if wanted.get("pause"):
            await self._pause()
        if wanted.get("die"):
            raise OSError("the engine died")
        await send({"type": "http.response.body", "body": USAGE, "more_body": True})
        farewell = wanted.get("farewell", DONE.decode()).encode()
        await send({"type": "http.response.body", "body": memoryview(farewell), "more_body": True})
        if wanted.get("pause_at_end"):
            await self._pause()
        await send({"type": "http.response.body", "body": b""})

    async def _wait(self, seen: Seen, _: Message, receive: Any, send: Any) -> None:
        """Send words until the client leaves, then stop without an end, as vLLM does."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": WORD, "more_body": True})
        message = await receive()
        assert message == {"type": "http.disconnect"}
        seen.left.set()

    async def _never(self, seen: Seen, _: Message, receive: Any, __: Any) -> None:
        """Wait for the client to leave, without a word."""
        await receive()
        seen.left.set()

    async def _pause(self) -> None:
        while not self.go_on.is_set():  # noqa: ASYNC110  the test that sets it runs in another thread
            await asyncio.sleep(0.01)

    async def _die(self, *_: Any) -> None:
        raise OSError("the engine died")

    async def _refuse(self, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.close"})

    async def _talk(self, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await send({"type": "websocket.close", "code": 1000})


async def _body(receive: Callable[[], Any]) -> bytes:
    message = await receive()
    assert message["type"] == "http.request"
    assert not message.get("more_body", False)
    return bytes(message["body"])
