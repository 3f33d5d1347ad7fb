"""
What the audit log says about one request: who, what, and how it was decided; never the prompt or the answer.

The body appears as HMAC-SHA256 under the deployment's digest key: whoever holds a text can prove that it was sent, and without the key
the digests tell nothing.
"""

import hmac
from dataclasses import dataclass

from deepseek_local.access import Access, Principal, Verdict
from deepseek_local.gateway.asgi import Scope
from deepseek_local.gateway.documents import Document
from deepseek_local.gateway.refusal import Refusal
from deepseek_local.gateway.request_id import mint
from deepseek_local.policy import routes

KEY_NAME = "k1"
"""Names the digest key in records, so that a later key can be told from this one."""


@dataclass(slots=True)
class Request:
    """What is known about one request; every check on its way adds what it found out."""

    id: str
    peer: str
    method: str
    path: str
    access: Access | None
    principal: Principal | None = None
    body: bytes | None = None
    document: Document | None = None
    verdict: Verdict | None = None


def request_of(scope: Scope) -> Request:
    """Begin with what the scope says, which is trusted for the method, the path and the peer only."""
    method = scope["method"] if scope["type"] == "http" else routes.WEBSOCKET
    client = scope.get("client")
    # A method is the client's word; only the server says that a request is a WebSocket.
    is_posing = scope["type"] == "http" and method == routes.WEBSOCKET
    access = routes.match(method, scope["path"]) if _is_literal(scope) and not is_posing else None
    return Request(mint(), client[0] if client else "unix", method, scope["path"], access)


def decision(request: Request, digest_key: bytes, refusal: Refusal | None = None) -> dict[str, object]:
    """Return the fields of the `decision` record: allowed, or refused and why."""
    access, principal, verdict = request.access, request.principal, request.verdict
    fields: dict[str, object] = {
        "req": request.id,
        "ip": request.peer,
        "route": f"{request.method} {access.route if access else request.path}",
        "dec": "allow" if refusal is None else "deny",
    }
    if access is not None:
        fields["act"], fields["obj"] = access.action, access.resource
    if principal is not None:
        fields["sub"] = {"id": principal.name, "src": principal.source, "kid": principal.key_id}
    if request.body is not None:
        fields["prompt"] = {"hmac": _digest(digest_key, request.body), "bytes": len(request.body)}
    if request.document is not None:
        fields["attr"] = request.document.attributes()
    if verdict is not None:
        fields["rule"], fields["pol"] = verdict.rule, verdict.policy
    if refusal is not None:
        fields["reason"], fields["status"] = refusal.reason, int(refusal.status)
    return fields


def _digest(key: bytes, body: bytes) -> str:
    return f"{KEY_NAME}:{hmac.digest(key, body, 'sha256').hex()}"


def _is_literal(scope: Scope) -> bool:
    """Whether the client spelled the path as the engine will read it: no percent-encoding, no prefix to be taken off."""
    raw_path = scope.get("raw_path")
    path: str = scope["path"]
    return not scope.get("root_path") and path.isascii() and (raw_path is None or raw_path == path.encode("ascii"))
