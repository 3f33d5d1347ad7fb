"""
What a verified JSON Web Token says, and whether it counts (RFC 7519, 4.1; RFC 8725, 3.8 to 3.10).

`sub` is a name without namespace; the claim `kind`, `user` where it is missing, says which: a subject cannot choose it by its name. An
expired token never counts, whatever the clocks: `LEEWAY_SECONDS` is for tokens from a clock ahead of ours (`nbf`, `iat`) alone.
"""

import hashlib
from typing import Literal

import msgspec

from deepseek_local.access import CANARY, PRINCIPAL, TENANT, Principal, Strength
from deepseek_local.identity.credential import CredentialError

LEEWAY_SECONDS = 30
MAXIMUM_LIFETIME_SECONDS = 86_400


class Claims(msgspec.Struct, frozen=True):
    """The claims that are looked at; all without a default are required."""

    iss: str
    aud: str | list[str]
    sub: str
    exp: int | float
    iat: int | float
    nbf: int | float = 0
    """Optional (RFC 7519, 4.1.5), and several providers leave it out."""
    jti: str | None = None
    tenant: str | None = None
    kind: Literal["user", "service"] = "user"


def parse(payload: bytes) -> Claims:
    """Read the claims. Raises `CredentialError` where one is missing or of another type."""
    try:
        return msgspec.json.decode(payload, type=Claims)
    except (ValueError, RecursionError) as error:
        raise CredentialError("the JSON Web Token lacks a claim, or one has a wrong type") from error


def check(claims: Claims, issuer: str, audience: str, now_seconds: float) -> None:
    """Raise `CredentialError` for claims of others, for others, or of another time (Unix time in seconds)."""
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer:
        raise CredentialError("the JSON Web Token is from another issuer")
    if audience not in audiences:
        raise CredentialError("the JSON Web Token is for another audience")
    if now_seconds >= claims.exp:
        raise CredentialError("the JSON Web Token has expired")
    if max(claims.nbf, claims.iat) > now_seconds + LEEWAY_SECONDS:
        raise CredentialError("the JSON Web Token is not valid yet")
    if not 0 < claims.exp - claims.iat <= MAXIMUM_LIFETIME_SECONDS:
        raise CredentialError("the JSON Web Token is valid for more than a day")


def principal(claims: Claims, token: str) -> Principal:
    """Return whom the claims name; the identifier is the digest of `jti`, or of a token without one. Raises `CredentialError`."""
    name = f"{'u' if claims.kind == 'user' else 's'}:{claims.sub}"
    if not PRINCIPAL.fullmatch(name) or name == CANARY:
        raise CredentialError("the JSON Web Token's subject is no principal's name")
    if claims.tenant is not None and not TENANT.fullmatch(claims.tenant):
        raise CredentialError("the JSON Web Token's tenant is no tenant's name")
    key_id = hashlib.sha256((claims.jti or token).encode("utf-8")).hexdigest()[:16]
    return Principal(name, "jwt", key_id, claims.tenant, strength=Strength.JWT)
