"""
The front door: a pure ASGI class that vLLM puts around its whole application (`--middleware`).

    checks → decision on disk → engine → outcome on disk, and quotas settled meanwhile → last byte

Every step can only refuse; what is not understood is refused. Each refusal is a record too, and one that cannot be written turns into a
503. It decides on `scope["path"]`, which is what the engine's router reads, never on a URL that the `Host` header takes part in
(GHSA-94f4-hr76-p5j6). vLLM makes one instance for each API server process; what they share is files, the sequencer and the ledger.
"""

import os
import time
from contextlib import suppress
from functools import partial

from deepseek_local.access import Risk
from deepseek_local.audit.record import Kind
from deepseek_local.digest_keys import LiveDigestKey
from deepseek_local.errors import AuditError
from deepseek_local.gateway import body, garbage, metrics, refusal, settings
from deepseek_local.gateway.announcements import Announcements
from deepseek_local.gateway.asgi import App, Message, Receive, Scope, Send
from deepseek_local.gateway.authenticate import BANNED
from deepseek_local.gateway.capture import Capture
from deepseek_local.gateway.checks import Checks
from deepseek_local.gateway.conversation import Conversation
from deepseek_local.gateway.exchange import Exchange
from deepseek_local.gateway.headers import towards_client, towards_engine
from deepseek_local.gateway.journal import Journal
from deepseek_local.gateway.outcome import Outcome, Settlement
from deepseek_local.gateway.records import decision
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.gateway.replies import send_refusal
from deepseek_local.gateway.requests import Request, request_of
from deepseek_local.identity.proxy import is_unix


class PolicyMiddleware:
    """Lets a request through to the engine when everything about it is known, allowed and recorded."""

    def __init__(self, app: App) -> None:
        """Read the settings that the environment names. Raises an `Error` that says what is wrong with them."""
        chosen = settings.load(os.environ)
        self._app = app
        self._checks = Checks(chosen)
        self._digest_key = LiveDigestKey(chosen.digest_keys)
        self._capture = Capture.of(chosen)
        self._journal = Journal.of(chosen)
        self._announcements = Announcements(self._checks.policy, self._checks.authenticator, self._journal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the engine answer it."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        request = request_of(scope)
        if request.access is not None and request.access.risk is Risk.PUBLIC:
            await self._pass_unasked(request, scope, receive, send)
            return
        outcome = None
        try:
            refused = await self._decide(request, scope, receive)
            if refused is None:
                settle = partial(self._settle, request)
                outcome = Outcome(request.id, self._journal, self._digest_key.current(), settle, self._capture)
                await self._let_through(request, outcome, scope, receive, send)
            elif refused is not refusal.DISCONNECTED:
                # A proxy closes as soon as it has the answer; one whose body is no longer taken would count that as our failure.
                close = request.body is None and not is_unix(scope) and body.is_long(scope["headers"])
                await send_refusal(scope, send, refused, request.id, close=close)
        finally:
            # Changes nothing where the outcome has seen to it.
            self._settle(request, outcome)

    def _settle(self, request: Request, outcome: Outcome | None) -> Settlement:
        """Let the quotas of a request count what it used."""
        return self._checks.meter.settle(request.charge, *_used(outcome)) if request.charge is not None else None

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the engine start and stop; the server hears that it has stopped when the last record is written: then it ends the loop."""

        async def send_last(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self._finish()
            await send(message)

        garbage.look_less_often()
        metrics.start()
        self._journal.begin()
        if self._capture is not None:
            self._capture.begin(self._journal)
        try:
            await self._app(scope, receive, send_last)
        finally:
            metrics.stop()
            self._journal.close()

    async def _finish(self) -> None:
        """Write what is left; all requests are over."""
        await self._checks.meter.close()
        # What is lost otherwise is a count, and the journal has logged it.
        with suppress(AuditError):
            await self._announcements.write_rest()
        await self._journal.finish()
        self._journal.close()

    async def _decide(self, request: Request, scope: Scope, receive: Receive) -> Refusal | None:
        """Check the request and put the decision on disk; return why it is refused, or None."""
        started = time.perf_counter()
        refused = None
        try:
            await self._checks.examine(request, scope, receive)
        except RefusedError as error:
            refused = error.refusal
        # While an address is banned its refusals are counted, and one record tells how many there were.
        if refused is None or refused.reason != BANNED.reason:
            refused = await self._record(request, refused)
        if refused is None:
            metrics.admitted(time.perf_counter() - started)
        else:
            metrics.refused(refused.reason)
        return refused

    async def _record(self, request: Request, refused: Refusal | None) -> Refusal | None:
        """Put the decision on disk; return it, or the refusal that takes its place when that fails."""
        try:
            if self._announcements.gather():
                await self._announcements.write()
            # What is refused is not captured: it would be a stranger's way to fill the disk.
            captured = (
                await self._capture.keep(request.body) if self._capture and request.body and not refused else None
            )
            fields = decision(request, self._digest_key.current(), refused, captured)
            written = self._journal.append(Kind.DECISION, fields)
            if refused is None:
                # Before the wait for the disk, which takes longer.
                request.prepared = self._checks.prepare(request)
            await written
        except AuditError:
            return refusal.NO_RECORD
        return refused

    async def _let_through(
        self, request: Request, outcome: Outcome, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            inner = _towards_engine(scope, request.id)
            await Conversation(request.id, outcome, receive, send).run(self._app, inner)
            return
        prepared = request.release()
        inner = _towards_engine(scope, request.id, None if prepared.body is None else len(prepared.body))
        replay = body.Replay(prepared.body or b"", receive)
        told = request.charge.headers if request.charge is not None else ()
        exchange = Exchange(request.id, outcome, replay, send, headers=told, hides_usage=prepared.hides_usage)
        metrics.stream_began()
        try:
            await exchange.run(self._app, inner)
        finally:
            metrics.stream_ended()

    async def _pass_unasked(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the engine answer a probe: without identity, without record, whatever else is down."""
        request_id = request.id.encode("ascii")

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": towards_client(message.get("headers", ()), request_id)}
            await send(message)

        await self._app(_towards_engine(scope, request.id), receive, send_named)


def _towards_engine(scope: Scope, request_id: str, body_bytes: int | None = None) -> Scope:
    return {**scope, "headers": towards_engine(scope["headers"], request_id.encode("ascii"), body_bytes)}


def _used(outcome: Outcome | None) -> tuple[int | None, int | None, int]:
    """Say what a request used: tokens in and out, None where the engine did not tell, and how many may have been delivered."""
    if outcome is None or (outcome.status >= 400 and not outcome.aborted):  # noqa: PLR2004  an error: nothing was computed
        return 0, 0, 0
    told = outcome.tokens or {}
    # An answer in one piece may be too long to look for its usage; then its bytes are the bound.
    is_whole = outcome.chunks == 1 and not outcome.aborted
    return told.get("in"), told.get("out"), outcome.byte_count if is_whole else outcome.chunks
