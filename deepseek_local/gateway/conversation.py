"""
An allowed WebSocket between engine and client: messages pass, and its end is on disk before the closing message leaves.

Its bytes are those that the engine sends; its status is 101, or that of the answer with which the engine itself refuses: 403
when it closes before it accepts, which is how the server tells the client (ASGI, "Close - send event").
"""

import asyncio
from http import HTTPStatus

from deepseek_local.gateway.asgi import App, Message, Receive, Scope, Send
from deepseek_local.gateway.headers import towards_client
from deepseek_local.gateway.outcome import Outcome
from deepseek_local.gateway.replies import EXTENSION

_LAST = ("websocket.close", f"{EXTENSION}.body")


class Conversation:
    """One WebSocket, from the moment that the engine may see it."""

    def __init__(self, request_id: str, outcome: Outcome, receive: Receive, send: Send) -> None:
        self._request_id = request_id
        self._outcome = outcome
        self._receive = receive
        self._send = send
        self._is_over = False

    async def run(self, app: App, scope: Scope) -> None:
        """Let the engine talk. Raises what the engine raises, and `AuditError` where the end cannot be recorded."""
        try:
            await app(scope, self.receive, self.send)
        except (Exception, asyncio.CancelledError):
            await self._outcome.end(aborted=True)
            raise
        await self._outcome.end(aborted=self._is_over)

    async def receive(self) -> Message:
        """Return the client's next message; this is what the engine calls."""
        message = await self._receive()
        self._is_over = self._is_over or message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Pass one message of the engine on; this is what the engine calls. Raises `AuditError`."""
        kind = message["type"]
        if kind == "websocket.accept":
            self._outcome.status = 101
        elif kind == f"{EXTENSION}.start":
            self._outcome.status = message["status"]
        elif kind == "websocket.close" and not self._outcome.status:
            self._outcome.status = HTTPStatus.FORBIDDEN
        if kind in {"websocket.accept", f"{EXTENSION}.start"}:
            headers = towards_client(message.get("headers", ()), self._request_id.encode("ascii"))
            message = {**message, "headers": headers}
        self._outcome.count(_payload(message))
        if kind in _LAST and not message.get("more_body", False):
            await self._outcome.settle(aborted=self._is_over)
        await self._send(message)


def _payload(message: Message) -> bytes:
    text: str | None = message.get("text")
    return text.encode("utf-8") if text else message.get("bytes") or message.get("body") or b""
