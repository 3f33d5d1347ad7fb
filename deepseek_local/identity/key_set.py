"""
The identity provider's public keys: a JWK Set (RFC 7517) in a local file, each key bound to the one algorithm that it is for.

The algorithm comes from the key, never from the token, so no token can have a public RSA key used as an HMAC secret (RFC 8725, 2.1 and
3.1). A symmetric or private key has no business in this file: a set with one is refused as a whole. Keys for other uses and of other kinds
are passed over, as RFC 7517, 5 asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from deepseek_local.errors import IdentityError
from deepseek_local.files import read_regular
from deepseek_local.identity.loads import ReadFile

MAXIMUM_BYTES = 1_048_576
_RSA_BITS = 2048
_ALGORITHMS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA", ("RSA", None): "RS256"}
_SECRET = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


class _Set(msgspec.Struct):
    keys: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys, by their identifiers; a single key may have none."""

    keys: Mapping[str | None, jwt.PyJWK]

    def find(self, kid: str | None) -> jwt.PyJWK | None:
        """Return the key that a token means; where there is only one, a token need not name it."""
        if len(self.keys) == 1 and (kid is None or None in self.keys):
            return next(iter(self.keys.values()))
        return self.keys.get(kid)


def read(path: Path, read_file: ReadFile = read_regular) -> KeySet:
    """Read a JWK Set. Raises `IdentityError` if it is missing, cannot be understood, or holds what is secret."""
    try:
        content = read_file(path, MAXIMUM_BYTES + 1)
    except OSError as error:
        raise IdentityError(f"the JWK Set {path} cannot be read ({error.strerror}); check gateway.jwt.keys") from error
    if len(content) > MAXIMUM_BYTES:
        raise IdentityError(f"the JWK Set {path} has more than {MAXIMUM_BYTES} bytes; keep only the signing keys")
    return parse(str(path), content)


def parse(file: str, content: bytes) -> KeySet:
    """Understand a JWK Set. Raises `IdentityError`."""
    try:
        found = msgspec.json.decode(content, type=_Set).keys
    except (ValueError, RecursionError) as error:
        raise IdentityError(f"{file} is no JWK Set ({error}); save the provider's `jwks_uri` again") from error
    usable = [
        (_kid(file, number, fields), key)
        for number, fields in enumerate(found)
        if (key := _key(f"{file}: key {number}", fields)) is not None
    ]
    keys = dict(usable)
    if not keys:
        raise IdentityError(f"{file} has no ES256, EdDSA or RS256 signing key; save the provider's `jwks_uri` again")
    if len(keys) < len(usable) or (None in keys and len(keys) > 1):
        raise IdentityError(f"{file} has keys that cannot be told apart; give each a `kid` of its own")
    return KeySet(keys)


def _kid(file: str, number: int, fields: Mapping[str, object]) -> str | None:
    kid = fields.get("kid")
    if kid is None or isinstance(kid, str):
        return kid
    raise IdentityError(f"{file}: key {number}: its `kid` is no text; save the provider's `jwks_uri` again")


def _key(place: str, fields: Mapping[str, object]) -> jwt.PyJWK | None:
    """Return the key bound to its algorithm, or None for one that is not for us."""
    kind = fields.get("kty")
    if kind == "oct" or _SECRET & fields.keys():
        raise IdentityError(f"{place} is secret, so others could sign with it; keep only public keys in this file")
    if fields.get("use", "sig") != "sig" or "verify" not in _operations(fields):
        return None
    algorithm = _ALGORITHMS.get((str(kind), None if kind == "RSA" else str(fields.get("crv"))))
    if algorithm is None or fields.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(dict(fields), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise IdentityError(
            f"{place} cannot be used ({type(error).__name__}); save the provider's `jwks_uri` again"
        ) from error
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _RSA_BITS:
        raise IdentityError(f"{place} has {key.key.key_size} bits, which is too few; use {_RSA_BITS} or more")
    return key


def _operations(fields: Mapping[str, object]) -> list[object]:
    operations = fields.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else []
