"""
What the audit log says about one request: who, what, and how it was decided; never the prompt or the answer.

The body appears as HMAC-SHA256 under the newest digest key: whoever holds a text and the key can prove that it was sent, and without the
key the digests tell nothing.
"""

from deepseek_local.access import Attribute, Verdict
from deepseek_local.digest_keys import DigestKey
from deepseek_local.gateway.refusal import Refusal
from deepseek_local.gateway.requests import Request


def decision(
    request: Request, key: DigestKey, refusal: Refusal | None = None, captured: str | None = None
) -> dict[str, object]:
    """Return the fields of the `decision` record: allowed, or refused and why; `captured` is the digest of the stored body."""
    access, principal, body, verdict = request.access, request.principal, request.body, request.verdict
    fields: dict[str, object] = {
        "req": request.id,
        "ip": request.peer,
        "route": f"{request.method} {request.path if access is None else access.route}",
        "dec": "allow" if refusal is None else "deny",
    }
    if access is not None:
        fields["act"], fields["obj"] = access.action, access.resource
    if principal is not None:
        fields["sub"] = {"id": principal.name, "src": principal.source, "kid": principal.key_id}
    if body is not None:
        fields["prompt"] = {"hmac": key.digest(body), "bytes": len(body)} | ({"capture": captured} if captured else {})
    if attributes := _attributes(request):
        fields["attr"] = attributes
    if verdict is not None:
        fields["rule"], fields["pol"] = verdict.rule, verdict.policy
        _add_rarities(fields, verdict)
    if refusal is not None:
        fields["reason"], fields["status"] = refusal.reason, int(refusal.status)
        if refusal.detail is not None:
            fields["detail"] = refusal.detail
    return fields


def _attributes(request: Request) -> dict[str, Attribute]:
    if request.document is None:
        return request.claims
    known = request.document.attributes()
    return request.claims | known if request.claims else known


def _add_rarities(fields: dict[str, object], verdict: Verdict) -> None:
    """Add what most verdicts do not have."""
    if verdict.tenant is not None:
        fields["tenant"] = verdict.tenant
    if verdict.grant is not None:
        fields["grant"] = verdict.grant
    if verdict.shadow is not None:
        fields["shadow"] = verdict.shadow
