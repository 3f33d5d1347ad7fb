"""
What the audit log says about one request: who, what, and how it was decided; never the prompt or the answer.

The body appears as HMAC-SHA256 under the deployment's digest key: whoever holds a text can prove that it was sent, and without the key
the digests tell nothing.
"""

from deepseek_local.access import Principal, Verdict
from deepseek_local.gateway.refusal import Refusal
from deepseek_local.gateway.requests import Request
from deepseek_local.keyed_hash import hmac_sha256

KEY_NAME = "k1"
"""Names the digest key in records, so that a later key can be told from this one."""


def decision(request: Request, digest_key: bytes, refusal: Refusal | None = None) -> dict[str, object]:
    """Return the fields of the `decision` record: allowed, or refused and why."""
    access = request.access
    fields: dict[str, object] = {
        "req": request.id,
        "ip": request.peer,
        "route": f"{request.method} {access.route if access else request.path}",
        "dec": "allow" if refusal is None else "deny",
    }
    if access is not None:
        fields["act"], fields["obj"] = access.action, access.resource
    if request.principal is not None:
        fields["sub"] = _subject(request.principal)
    if request.body is not None:
        fields["prompt"] = {"hmac": _digest(digest_key, request.body), "bytes": len(request.body)}
    attributes = request.claims if request.document is None else request.claims | request.document.attributes()
    if attributes:
        fields["attr"] = attributes
    if request.verdict is not None:
        fields |= _verdict(request.verdict)
    if refusal is not None:
        fields["reason"], fields["status"] = refusal.reason, int(refusal.status)
    return fields


def _subject(principal: Principal) -> dict[str, object]:
    return {"id": principal.name, "src": principal.source, "kid": principal.key_id}


def _verdict(verdict: Verdict) -> dict[str, object]:
    known = {"tenant": verdict.tenant, "grant": verdict.grant, "shadow": verdict.shadow}
    given = {name: value for name, value in known.items() if value is not None}
    return {"rule": verdict.rule, "pol": verdict.policy, **given}


def _digest(key: bytes, body: bytes) -> str:
    return f"{KEY_NAME}:{hmac_sha256(key, body)}"
