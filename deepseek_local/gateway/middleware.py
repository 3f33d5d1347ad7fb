"""
The front door: a pure ASGI class that vLLM puts around its whole application (`--middleware`).

    route → identity → body → policy → decision on disk → engine → outcome on disk → last byte

Every step can only refuse; what is not understood is refused. Each refusal is a record too, and one that cannot be written turns into a
503. It decides on `scope["path"]`, which is what the engine's router reads, never on a URL that the `Host` header takes part in
(GHSA-94f4-hr76-p5j6). vLLM makes one instance for each API server process; what they share is files and the sequencer.
"""

import os

from deepseek_local.access import Body, Risk
from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError
from deepseek_local.files import Watch
from deepseek_local.gateway import body, documents, refusal, settings
from deepseek_local.gateway.asgi import App, Message, Receive, Scope, Send
from deepseek_local.gateway.authenticate import Authenticator
from deepseek_local.gateway.conversation import Conversation
from deepseek_local.gateway.exchange import Exchange
from deepseek_local.gateway.headers import towards_client, towards_engine
from deepseek_local.gateway.journal import Journal
from deepseek_local.gateway.outcome import Outcome
from deepseek_local.gateway.records import Request, decision, request_of
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.gateway.replies import send_refusal
from deepseek_local.identity import keys
from deepseek_local.policy.live import LivePolicy


class PolicyMiddleware:
    """Lets a request through to the engine when everything about it is known, allowed and recorded."""

    def __init__(self, app: App) -> None:
        """Read the settings that the environment names. Raises an `Error` that says what is wrong with them."""
        chosen = settings.load(os.environ)
        self._app = app
        self._limits = chosen.limits
        self._policy = LivePolicy(chosen.policy_files, chosen.administrators)
        self._authenticator = Authenticator(chosen)
        self._digest_key = keys.read(chosen.digest_key_file)
        self._draining = Watch([chosen.drain_file])
        self._journal = Journal(AuditClient(chosen.audit_socket, chosen.audit_timeout_seconds))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the engine answer it."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        request = request_of(scope)
        if request.access is not None and request.access.risk is Risk.PUBLIC:
            await self._pass_unasked(request, scope, receive, send)
            return
        request.peer = self._authenticator.address(scope)
        refused = await self._decide(request, scope, receive)
        if refused is None:
            await self._let_through(request, scope, receive, send)
        elif refused is not refusal.DISCONNECTED:
            close = request.body is None and body.is_long(scope["headers"])
            await send_refusal(scope, send, refused, request.id, close=close)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the engine start and stop; all requests are over when it has stopped."""
        try:
            await self._app(scope, receive, send)
        finally:
            self._journal.close()

    async def _decide(self, request: Request, scope: Scope, receive: Receive) -> Refusal | None:
        """Check the request and put the decision on disk; return why it is refused, or None."""
        refused = None
        try:
            await self._check(request, scope, receive)
        except RefusedError as error:
            refused = error.refusal
        try:
            if request.verdict is not None:
                await self._journal.note_policy(request.verdict.policy)
            await self._journal.append("decision", decision(request, self._digest_key, refused))
        except AuditError:
            return refusal.NO_RECORD
        return refused

    async def _check(self, request: Request, scope: Scope, receive: Receive) -> None:
        """Find out about the request, step by step. Raises `RefusedError` at the first step that it does not pass."""
        if self._draining.stamps() != (None,):
            raise RefusedError(refusal.DRAINING)
        access = request.access
        if access is None or access.risk is not Risk.GUARDED:
            raise RefusedError(refusal.NO_ROUTE)
        request.principal = self._authenticator.identify(scope)
        if access.body is not Body.NONE:
            request.body = await body.read(receive, scope["headers"], self._limits)
        if access.body is Body.JSON:
            request.document = documents.parse(request.body or b"")
        request.verdict = self._policy.current().decide(request.principal, access, {})
        if not request.verdict.allowed:
            raise RefusedError(refusal.FORBIDDEN)

    async def _let_through(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        inner = _towards_engine(scope, request.id)
        outcome = Outcome(request.id, self._journal)
        if scope["type"] == "websocket":
            await Conversation(request.id, outcome, receive, send).run(self._app, inner)
        else:
            replay = body.Replay(request.body or b"", receive)
            await Exchange(request.id, outcome, replay, send).run(self._app, inner)

    async def _pass_unasked(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the engine answer a probe: without identity, without record, whatever else is down."""
        request_id = request.id.encode("ascii")

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": towards_client(message.get("headers", ()), request_id)}
            await send(message)

        await self._app(_towards_engine(scope, request.id), receive, send_named)


def _towards_engine(scope: Scope, request_id: str) -> Scope:
    return {**scope, "headers": towards_engine(scope["headers"], request_id.encode("ascii"))}
