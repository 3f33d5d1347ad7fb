"""A small server on a Unix socket in the place of the front door: it remembers what it was asked and answers as the path's query says."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from waiting import wait_until

WORD = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'


@dataclass
class Asked:
    """One request as it came out of nginx."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def values(self, name: str) -> list[bytes]:
        return [value for key, value in self.headers if key == name.lower().encode()]


@dataclass
class QuickEngine:
    """The application and its thread."""

    place: Path
    name: str = "one"
    asked: list[Asked] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    """A stream waits for this before its last word."""
    early: threading.Event = field(default_factory=threading.Event)
    """Set when the first piece of a body has come."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await _talk(receive, send)
            return
        asked = Asked(scope["method"], scope["path"], scope["raw_path"], scope["query_string"], list(scope["headers"]))
        self.asked.append(asked)
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            asked.body += message["body"]
            if asked.body:
                self.early.set()
            more = message.get("more_body", False)
        if b"stream" in asked.query:
            await self._stream(send)
            return
        headers = [(b"content-type", b"application/json"), (b"x-engine", self.name.encode())]
        if b"steer" in asked.query:
            headers.append((b"x-accel-redirect", b"/v1/models"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    async def _stream(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": WORD, "more_body": True})
        while not self.go_on.is_set():  # noqa: ASYNC110 -- the test that sets it runs in another thread
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": WORD})

    @contextmanager
    def served(self) -> Iterator[None]:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.place))
            config = uvicorn.Config(self, log_level="critical", lifespan="off", ws="websockets-sansio")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            try:
                wait_until(lambda: server.started)
                yield
            finally:
                self.go_on.set()
                server.should_exit = True
                thread.join()
                self.place.unlink(missing_ok=True)


async def _talk(receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})
    await send({"type": "websocket.close", "code": 1000})
