"""
An allowed HTTP request between engine and client: the answer passes, its last bytes only after the outcome is on disk.

The head of the answer is held until its first bytes. If those are also the last, a record that fails turns the whole answer into a 503;
if not, the answer flows, and a record that fails ends it without its last bytes: the client sees a truncated answer, never a complete
one that left no trace. The last bytes are the end of the body, and before it what clients of a stream take for the end.

Usage that a stream was made to tell is taken out for a client that did not ask for it (`hidden_usage`).
"""

import asyncio
from collections.abc import Awaitable

from deepseek_local.errors import AuditError
from deepseek_local.gateway.asgi import App, Message, Scope, Send
from deepseek_local.gateway.body import Replay
from deepseek_local.gateway.headers import HeaderPairs, is_event_stream, towards_client
from deepseek_local.gateway.hidden_usage import HiddenUsage
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
_ORDINARY_END = b"]}\n\n"
"""How an event with choices ends; neither a farewell nor the usage of a whole answer does."""

_PASSED_LIMIT = 16_384
"""Bytes of a stream that have left before they are digested: what one stream holds in memory, but for one chunk."""


class Exchange:
    """One request, from the moment that the engine may see it."""

    __slots__ = (
        "_flows",
        "_head",
        "_headers",
        "_hidden",
        "_hides",
        "_onwards",
        "_outcome",
        "_passed",
        "_passed_bytes",
        "_replay",
        "_request_id",
        "_started",
    )

    def __init__(
        self,
        request_id: str,
        outcome: Outcome,
        replay: Replay,
        send: Send,
        *,
        headers: HeaderPairs = (),
        hides_usage: bool = False,
    ) -> None:
        self._request_id = request_id
        self._headers = headers
        """What we tell the client beside the engine's headers."""
        self._outcome = outcome
        self._replay = replay
        self._onwards = send
        self._hides = hides_usage
        self._hidden: HiddenUsage | None = None
        """What the client must not see, where it must not and the answer is a stream."""
        self._head: Message = {}
        """Status and headers of the answer, held until its first bytes."""
        self._started = False
        """Whether the head has left."""
        self._flows = False
        """Whether the head has left and no part of an event is held."""
        self._passed: list[bytes] = []
        self._passed_bytes = 0
        """What has flowed and the outcome does not know yet: one digest of many chunks costs much less than many of one."""

    async def run(self, app: App, scope: Scope) -> None:
        """Let the engine answer. Raises what the engine raises, and `AuditError` where the answer ends early for lack of a record."""
        try:
            await app(scope, self._replay, self._send)
            # Changes nothing after a complete answer; otherwise the engine stopped because the client left.
            self._count()
            await self._outcome.end(aborted=True)
        except AuditError as error:
            if self._started:
                # The server logs what is raised; how it came about, the journal has logged once.
                raise AuditError(str(error)) from None
            await send_refusal(scope, self._onwards, NO_RECORD, self._request_id, close=False)
        except Exception:
            await self._fail(scope)
            raise
        except asyncio.CancelledError:
            self._count()
            await self._outcome.end(aborted=True)
            raise

    def _send(self, message: Message) -> Awaitable[None]:
        """
        Take a message of the engine, which awaits what is returned; that raises `AuditError`.

        Every token of every stream passes here, so the common chunk costs few steps and no coroutine of its own.
        """
        try:
            body = message["body"]
            is_common = self._flows and message["more_body"] and body[-4:] == _ORDINARY_END
        except KeyError:  # both may be absent, and the head has neither
            is_common = False
        if not is_common:
            return self._send_with_care(message)
        self._passed.append(body)
        self._passed_bytes += len(body)
        if self._passed_bytes > _PASSED_LIMIT:
            self._count()
        return self._onwards(message)

    async def _send_with_care(self, message: Message) -> None:
        """Hold the head, and do what must be done before the first bytes and before the last."""
        if message["type"] == "http.response.start":
            self._hold(message)
            return
        if message["type"] != "http.response.body":
            raise TypeError(f"the engine sent an ASGI message {message['type']!r}, which the front door does not know")
        more, body = message.get("more_body", False), bytes(message.get("body", b""))
        if self._hidden is not None:
            body = self._hidden.take(body, more=more)
            message = {**message, "body": body}
            self._outcome.told = self._hidden.event
        self._count()
        self._outcome.count(body)
        if not more or body.endswith(FAREWELLS):
            await self._settle(aborted=self._replay.is_over)
        elif body:
            self._outcome.last = body
        if body or not more or self._hidden is None:
            await self._pass(message)
        self._flows = self._started and not (self._hidden is not None and self._hidden.is_holding)

    async def _settle(self, *, aborted: bool) -> None:
        self._count()
        await self._outcome.settle(aborted=aborted)

    def _count(self) -> None:
        """Let the outcome know what has flowed."""
        if self._passed:
            self._outcome.count_chunks(self._passed)
            self._passed.clear()
            self._passed_bytes = 0

    async def _pass(self, message: Message) -> None:
        if not self._started:
            self._started = True
            await self._onwards(self._head)
        await self._onwards(message)

    def _hold(self, message: Message) -> None:
        self._outcome.status = message["status"]
        headers = towards_client(message.get("headers", ()), self._request_id.encode("ascii"))
        headers += self._headers
        self._head = {**message, "headers": headers}
        if self._hides and is_event_stream(headers):
            self._hidden = HiddenUsage()

    async def _fail(self, scope: Scope) -> None:
        """Record that the engine raised, and answer for it where it has not begun to. Raises `AuditError` when it has."""
        refusal = FAILED
        if not self._started:
            self._outcome.status = FAILED.status
        try:
            await self._settle(aborted=self._started)
        except AuditError:
            refusal = NO_RECORD
        if not self._started:
            await send_refusal(scope, self._onwards, refusal, self._request_id, close=True)
