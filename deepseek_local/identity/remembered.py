"""What was proved already, under the digest of what proved it: a bounded memory that forgets the oldest first."""

import hashlib
from typing import Generic, TypeVar

Proved = TypeVar("Proved")


class Remembered(Generic[Proved]):
    """Proofs by the SHA-256 of the credential's bytes, so that neither credentials nor unbounded lengths stay in memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._proved: dict[bytes, Proved] = {}

    def __len__(self) -> int:
        return len(self._proved)

    def get(self, digest: bytes) -> Proved | None:
        """Return what is remembered under a digest."""
        return self._proved.get(digest)

    def put(self, digest: bytes, proved: Proved) -> None:
        """Remember; only what was proved may come here, or strangers could push out what friends need."""
        if len(self._proved) >= self._limit:
            del self._proved[next(iter(self._proved))]
        self._proved[digest] = proved

    def forget(self, digest: bytes) -> None:
        """Drop what is remembered under a digest, if anything is."""
        self._proved.pop(digest, None)


def digest_of(credential: bytes) -> bytes:
    """Return the name under which a credential is remembered."""
    return hashlib.sha256(credential).digest()
