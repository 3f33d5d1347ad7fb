"""
Signed JSON Web Tokens: believed when one of the provider's keys, in a local file, has signed them (RFC 7515, RFC 8725).

A signature is verified once; until it expires the token is then known by its digest. The memory belongs to the key set: another set, as
after a key was withdrawn, knows no token.
"""

from dataclasses import dataclass, field
from datetime import datetime

import jwt
import msgspec

from deepseek_local.access import Principal
from deepseek_local.files import Watch
from deepseek_local.identity import claims, key_set
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.key_set import KeySet
from deepseek_local.identity.loads import Source, Tell
from deepseek_local.identity.remembered import Remembered, digest_of
from deepseek_local.identity.watched import Watched, nobody
from deepseek_local.profile.handover import JWTSettings

MAXIMUM_BYTES = 8_192
_REMEMBERED = 4_096
_SIGNATURES = jwt.PyJWS(algorithms=["ES256", "EdDSA", "RS256"])


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    expires_seconds: float


@dataclass(frozen=True, slots=True)
class _Trust:
    keys: KeySet
    known: Remembered[_Known] = field(default_factory=lambda: Remembered(_REMEMBERED))


class SignedTokens:
    """Turns JSON Web Tokens into principals. Raises `IdentityError` when the keys cannot be used at the start."""

    def __init__(self, settings: JWTSettings, watch: Watch | None = None, tell: Tell = nobody) -> None:
        self._issuer = settings.issuer
        self._audience = settings.audience
        path = settings.keys_file
        self._trust = Watched(
            Source.KEY_SET, watch or Watch([path]), lambda read_file: _Trust(key_set.read(path, read_file)), tell
        )

    def identify(self, token: str, now: datetime) -> Principal:
        """Return whom the token names. Raises `CredentialError`, and `IdentityError` while the keys cannot be used."""
        trust = self._trust.current()
        digest = digest_of(token.encode("utf-8"))
        known = trust.known.get(digest)
        if known is None:
            known = self._verify(trust.keys, token, now.timestamp())
            trust.known.put(digest, known)
        elif now.timestamp() >= known.expires_seconds:
            trust.known.forget(digest)
            raise CredentialError("the JSON Web Token has expired")
        return known.principal

    def _verify(self, keys: KeySet, token: str, now_seconds: float) -> _Known:
        found = claims.parse(_signed_payload(keys, token))
        claims.check(found, self._issuer, self._audience, now_seconds)
        return _Known(claims.principal(found, token), found.exp)


def _signed_payload(keys: KeySet, token: str) -> bytes:
    """Return what was signed; the token's header only chooses among the keys. Raises `CredentialError`."""
    if len(token) > MAXIMUM_BYTES:
        raise CredentialError("the JSON Web Token is too long")
    try:
        header = msgspec.convert(jwt.get_unverified_header(token), _Header)
        key = keys.find(header.kid)
        if key is None:
            raise CredentialError("the JSON Web Token names no key that counts here")
        # PyJWT refuses a header whose `alg` is not the key's own.
        payload: bytes = _SIGNATURES.decode_complete(token, key)["payload"]
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise CredentialError("the JSON Web Token is not signed as it must be") from error
    return payload
