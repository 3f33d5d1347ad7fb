"""
Bearer tokens: `dsk_KID_SECRET`, a public identifier of 48 bits and a secret of 256.

Only the keyed hash of a token is stored, so a copied store opens nothing. A fast hash is right here: slow ones make up for guessable
secrets, and 256 random bits cannot be guessed. The key (a pepper) makes hashes of different deployments incomparable.
"""

import base64
import secrets
from collections.abc import Callable

from deepseek_local.keyed_hash import hmac_sha256


def mint(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> tuple[str, str]:
    """Return a new identifier and the token that carries it."""
    kid = random_bytes(6).hex()
    secret = base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode("ascii")
    return kid, f"dsk_{kid}_{secret}"


def kid_of(text: str) -> str:
    """Return what stands where a token has its identifier; only the hash tells whether the text is a token."""
    return text[4:16]


def keyed_hash(key: bytes, token: str) -> str:
    """Return what is stored of a token: HMAC-SHA256 under the deployment's key (RFC 2104), with the name of the algorithm."""
    return "hmac-sha256:" + hmac_sha256(key, token.encode("utf-8"))
