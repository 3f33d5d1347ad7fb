"""
Bearer tokens: `dsk_KID_SECRET`, a public identifier of 48 bits and a secret of 256.

Only the keyed hash of a token is stored, so a copied store opens nothing. A fast hash is right here: slow ones make up for guessable
secrets, and 256 random bits cannot be guessed. The key (a pepper) makes hashes of different deployments incomparable.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Callable

_TEXT = re.compile(r"dsk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")

NOBODY = "hmac-sha256:" + "0" * 64
"""A hash that no token has, to compare with when there is nothing else to compare with."""


def mint(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> tuple[str, str]:
    """Return a new identifier and the token that carries it."""
    kid = random_bytes(6).hex()
    secret = base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode("ascii")
    return kid, f"dsk_{kid}_{secret}"


def parse(token: str) -> str | None:
    """Return the identifier inside a token, or None for a text that is no token."""
    found = _TEXT.fullmatch(token)
    return found[1] if found else None


def keyed_hash(key: bytes, token: str) -> str:
    """Return what is stored of a token: HMAC-SHA256 under the deployment's key (RFC 2104), with the name of the algorithm."""
    return "hmac-sha256:" + hmac.digest(key, token.encode("utf-8"), "sha256").hex()


def same(stored: str, computed: str) -> bool:
    """Compare two hashes in a time that does not tell where they differ."""
    return hmac.compare_digest(stored.encode("utf-8"), computed.encode("utf-8"))
