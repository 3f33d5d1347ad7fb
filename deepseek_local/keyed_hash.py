"""
HMAC-SHA256 (RFC 2104) under keys that are used again and again.

OpenSSL 3 looks the algorithm up anew for each `hmac.digest`, which takes longer than to hash 2 KB; what `hmac.new` has begun with a key
can be copied for each text instead (RFC 2104, 4).
"""

import hmac
from functools import lru_cache


class KeyedHash:
    """One key, for any number of texts; whoever drops it has dropped the key."""

    __slots__ = ("_begun",)

    def __init__(self, key: bytes) -> None:
        self._begun = hmac.new(key, digestmod="sha256")

    def digest(self, content: bytes) -> str:
        """Return 64 hex digits."""
        begun = self._begun.copy()
        begun.update(content)
        return begun.hexdigest()

    def begin(self) -> hmac.HMAC:
        """Begin with a text that comes in parts: `update` takes them, `hexdigest` tells the digest so far."""
        return self._begun.copy()


def hmac_sha256(key: bytes, content: bytes) -> str:
    """Return 64 hex digits."""
    return _keyed(key).digest(content)


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> KeyedHash:
    return KeyedHash(key)
