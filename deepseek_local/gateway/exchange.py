"""
An allowed HTTP request between engine and client: the answer passes, its last bytes only after the outcome is on disk.

The head of the answer is held until its first bytes. If those are also the last, a record that fails turns the whole answer into a 503;
if not, the answer flows, and a record that fails ends it without its last bytes: the client sees a truncated answer, never a complete
one that left no trace. The last bytes are the end of the body, and before it what clients of a stream take for the end.
"""

import asyncio
from collections.abc import Awaitable

from deepseek_local.errors import AuditError
from deepseek_local.gateway.asgi import App, Message, Scope, Send
from deepseek_local.gateway.body import Replay
from deepseek_local.gateway.headers import towards_client
from deepseek_local.gateway.outcome import Outcome
from deepseek_local.gateway.refusal import FAILED, NO_RECORD
from deepseek_local.gateway.replies import send_refusal

FAREWELLS = (
    b"data: [DONE]\n\n",
    b'"message_stop"}\n\n',
    b'"response.completed"}\n\n',
    b'"response.incomplete"}\n\n',
    b'"response.failed"}\n\n',
)
"""How the last event of a stream ends: OpenAI's, Anthropic's, and those of OpenAI's Responses. Inside JSON text no newline is written raw."""


class Exchange:
    """One request, from the moment that the engine may see it."""

    __slots__ = ("_head", "_outcome", "_replay", "_request_id", "_send", "_started")

    def __init__(self, request_id: str, outcome: Outcome, replay: Replay, send: Send) -> None:
        self._request_id = request_id
        self._outcome = outcome
        self._replay = replay
        self._send = send
        self._head: Message = {}
        """Status and headers of the answer, held until its first bytes."""
        self._started = False
        """Whether the head has left."""

    async def run(self, app: App, scope: Scope) -> None:
        """Let the engine answer. Raises what the engine raises, and `AuditError` where the answer ends early for lack of a record."""
        try:
            await app(scope, self._replay, self.send)
            # Changes nothing after a complete answer; otherwise the engine stopped because the client left.
            await self._outcome.settle(aborted=True)
        except AuditError as error:
            if self._started:
                # The server logs what is raised; how it came about, the journal has logged once.
                raise AuditError(str(error)) from None
            await send_refusal(scope, self._send, NO_RECORD, self._request_id, close=False)
        except Exception:
            await self._fail(scope)
            raise
        except asyncio.CancelledError:
            await self._outcome.settle(aborted=True)
            raise

    def send(self, message: Message) -> Awaitable[None]:
        """
        Pass one message of the engine on; this is what the engine calls and awaits. Raises `AuditError`.

        Every token of every stream passes here, so the common chunk costs two additions and a comparison, and no coroutine of its own.
        """
        body = message.get("body", b"")
        if self._started and message.get("more_body", False) and type(body) is bytes and not body.endswith(FAREWELLS):
            self._outcome.byte_count += len(body)
            self._outcome.chunks += 1
            self._outcome.last = body
            return self._send(message)
        return self._send_with_care(message, bytes(body))

    async def _send_with_care(self, message: Message, body: bytes) -> None:
        """Hold the head, and do what must be done before the first bytes and before the last."""
        if message["type"] == "http.response.start":
            self._hold(message)
            return
        if message["type"] != "http.response.body":
            raise TypeError(f"the engine sent an ASGI message {message['type']!r}, which the front door does not know")
        self._outcome.count(body)
        if not message.get("more_body", False) or body.endswith(FAREWELLS):
            await self._outcome.settle(aborted=self._replay.is_over)
        if not self._started:
            self._started = True
            await self._send(self._head)
        await self._send(message)

    def _hold(self, message: Message) -> None:
        self._outcome.status = message["status"]
        headers = towards_client(message.get("headers", ()), self._request_id.encode("ascii"))
        self._head = {**message, "headers": headers}

    async def _fail(self, scope: Scope) -> None:
        """Record that the engine raised, and answer for it where it has not begun to. Raises `AuditError` when it has."""
        refusal = FAILED
        if not self._started:
            self._outcome.status = FAILED.status
        try:
            await self._outcome.settle(aborted=self._started)
        except AuditError:
            refusal = NO_RECORD
        if not self._started:
            await send_refusal(scope, self._send, refusal, self._request_id, close=True)
