"""
The way of a request through the checks; each can only refuse, and the first that does ends it.

    draining → route → identity → may it at all → body → guard → policy → model → quota

Before the body is read it is clear who asks and that some rule could allow it, so that strangers cannot make the server read. The policy
is asked before the names of models are compared, so that only who may ask learns which there are.
"""

import logging
import time
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Final

from deepseek_local.access import Access, Attribute, Body, Principal, Risk, Verdict
from deepseek_local.files import Watch
from deepseek_local.gateway import body, documents, guards, metrics, refusal
from deepseek_local.gateway.asgi import Receive, Scope
from deepseek_local.gateway.authenticate import Authenticator
from deepseek_local.gateway.claims import claims
from deepseek_local.gateway.guards import Guard
from deepseek_local.gateway.metering import Meter
from deepseek_local.gateway.refusal import RefusedError
from deepseek_local.gateway.requests import Request
from deepseek_local.gateway.rewrite import Prepared
from deepseek_local.identity import keys
from deepseek_local.policy.attributes import WEEKDAYS
from deepseek_local.policy.in_force import InForce
from deepseek_local.policy.live import LivePolicy
from deepseek_local.profile.handover import GatewaySettings
from deepseek_local.quota.tokens import Demand

_log = logging.getLogger(__name__)

UNCHECKED: Final = refusal.Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "failed", "server_error", "The request could not be checked."
)

_NO_DOCUMENT: Final = documents.Document()
_OF_THE_BODY: Final = ("model", "stream", "max_tokens")
"""Attributes that only a body can tell."""
_PAIRING: Final = frozenset({"inference_score", "inference_rerank"})
"""Where the engine puts one text of the request, such as its query, together with each of the others."""


class Checks:
    """Everything that decides about requests. Raises an `Error` that says which of the settings cannot be used."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.policy = LivePolicy(
            settings.policy_files, settings.administrators, settings.break_glass_file, settings.shadow_files
        )
        self.authenticator = Authenticator(settings)
        self.guard: Guard = guards.of(settings, keys.read(settings.salt_key_file))
        self.meter = Meter(settings)
        self._limits = settings.limits
        self._node = settings.node
        self._only_model = settings.served_models[0] if len(settings.served_models) == 1 else None
        self._draining = Watch([settings.drain_file])

    def prepare(self, request: Request) -> Prepared:
        """Return the body that the engine gets for a request that passed."""
        content, principal, verdict = request.body, request.principal, request.verdict
        if (
            content is None
            or request.document is None
            or request.access is None
            or principal is None
            or verdict is None
        ):
            return Prepared(content)
        return self.guard.prepare(
            request.document, content, request.access, principal=principal, tenant=verdict.tenant, roles=verdict.roles
        )

    async def examine(self, request: Request, scope: Scope, receive: Receive) -> None:
        """Find out about a request, step by step. Raises `RefusedError` at the first step that it does not pass, or that fails."""
        try:
            await self._examine(request, scope, receive)
        except RefusedError:
            raise
        except Exception as error:
            # Its text could contain what the client sent.
            at = traceback.extract_tb(error.__traceback__)[-1]
            _log.error(
                "a request is refused because a check failed: %s in %s, line %s; report it as a mistake of this program",
                type(error).__name__,
                Path(at.filename).name,
                at.lineno,
            )
            raise RefusedError(UNCHECKED) from error

    async def _examine(self, request: Request, scope: Scope, receive: Receive) -> None:
        origin = self.authenticator.origin(scope)
        request.peer = origin.address
        if self._draining.stamps() != (None,):
            raise RefusedError(refusal.DRAINING)
        access = request.access
        if access is None or access.risk is not Risk.GUARDED:
            raise RefusedError(refusal.NO_ROUTE)
        principal = request.principal = self.authenticator.identify(scope["headers"], origin)
        policy = self.policy.current()
        if not policy.may(principal, access):
            _decide(policy, request, principal, access, {})
        request.claims = claims(scope["headers"])
        if access.body is not Body.NONE:
            request.body = await body.read(receive, scope["headers"], self._limits)
            # Reading takes time, and what was true before it need not be true any more.
            policy = self.policy.current()
        await self._weigh(policy, request, principal, access)

    async def _weigh(self, policy: InForce, request: Request, principal: Principal, access: Access) -> None:
        """Look at what is asked: within the caps, allowed, served, and within the quotas. Raises `RefusedError`."""
        document = _NO_DOCUMENT
        longest: int | None = None
        if access.body is Body.JSON:
            document = request.document = documents.parse(request.body or b"")
            roles = policy.roles_of(principal)
            self.guard.check(document, access, roles)
            longest = self.guard.answer_tokens(document, access, roles)
        model = self._model(document)
        attributes = self._attributes(request, document, model, longest)
        if access.body is Body.MULTIPART:
            # A form is not read here: what it asks for, nobody knows yet.
            attributes = {name: value for name, value in attributes.items() if name not in _OF_THE_BODY}
        verdict = _decide(policy, request, principal, access, attributes)
        self.guard.check_model(document)
        request.charge = await self.meter.charge(
            principal, access, verdict, model, _demand(request, access, document, longest)
        )

    def _model(self, document: documents.Document) -> str | None:
        """Return which model is asked: the named one, or without a name the only one, as the engine takes it."""
        return document.model or self._only_model

    def _attributes(
        self, request: Request, document: documents.Document, model: str | None, longest: int | None
    ) -> dict[str, Attribute]:
        """Return what conditions may look at; the time is that of this host."""
        now = time.localtime()
        found: dict[str, Attribute] = {
            **request.claims,
            "ip": request.peer,
            "node": self._node,
            "hour": now.tm_hour,
            "weekday": WEEKDAYS[now.tm_wday],
            "stream": bool(document.stream),
        }
        if model is not None:
            found["model"] = model
        if longest is not None:
            found["max_tokens"] = longest
        return found


def _decide(
    policy: InForce, request: Request, principal: Principal, access: Access, attributes: dict[str, Attribute]
) -> Verdict:
    """Ask the policy. Raises `RefusedError` when it does not allow."""
    started = time.perf_counter()
    verdict = request.verdict = policy.decide(principal, access, attributes)
    metrics.decided(time.perf_counter() - started)
    if verdict.shadow is not None:
        metrics.shadow_differed()
    if not verdict.allowed:
        raise RefusedError(refusal.FORBIDDEN)
    return verdict


def _demand(request: Request, access: Access, document: documents.Document, longest: int | None) -> Demand:
    answers = max(document.n or 1, document.best_of or 1)
    size, prompts = len(request.body or b""), document.prompts or 1
    return Demand(size, prompts, answers, longest, shares_text=access.resource in _PAIRING)
