"""
The evolving MAC: checkpoints that whoever takes over the host later cannot make anew (forward security, Bellare and Yee, 2003).

    MAC_i   = HMAC-SHA256(K_i, text of checkpoint i)
    K_{i+1} = HKDF-SHA256(K_i, info="deepseek-local audit mac")

`K_0` is kept by the auditor, away from the host. The host has only the current key and replaces it after each use; there is no way back
from a key to the one before. So a checkpoint of the past that is written anew carries the MAC of a later key, and that does not verify in
its place: place `i` takes `K_i` and no other.

The MAC is one more signature line of the note. The specification of signed notes has no type for it, so the type is 0xff with an identifier
in words, and other readers pass over it.
"""

import hmac
from dataclasses import dataclass, field, replace
from typing import Self

from deepseek_local.errors import AuditError
from deepseek_local.tlog.keys import KeyType, key_id
from deepseek_local.tlog.note import Note, Signature

IDENTIFIER = b"deepseek-local audit mac"
KEY_BYTES = 32

_NO_SALT = bytes(32)
_FIRST_BLOCK = b"\x01"


@dataclass(frozen=True, slots=True)
class EvolvingMac:
    """The key for the checkpoint with this index. Raises `AuditError` when it cannot be one."""

    key: bytes = field(repr=False)
    """32 bytes."""
    index: int = 0
    """0 for the first checkpoint of the log."""

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES or self.index < 0:
            raise AuditError(
                f"the evolving key has {len(self.key)} bytes and index {self.index}; it has {KEY_BYTES} bytes and an index from 0"
            )

    def mac(self, text: str) -> bytes:
        """Return the 32 bytes that vouch for the text of a checkpoint."""
        return hmac.digest(self.key, text.encode(), "sha256")

    def next(self) -> Self:
        """Return the key for the checkpoint after this one; forget this one then."""
        secret = hmac.digest(_NO_SALT, self.key, "sha256")  # RFC 5869: first extract, then expand to one block
        return replace(self, key=hmac.digest(secret, IDENTIFIER + _FIRST_BLOCK, "sha256"), index=self.index + 1)

    def signature(self, origin: str, text: str) -> Signature:
        """Return the line for the note of a checkpoint. Raises `AuditError` when the origin cannot name a key."""
        return Signature(key_name(origin), mac_id(origin), self.mac(text))

    def check(self, origin: str, note: Note) -> bool:
        """Whether the note has a MAC of this log, and every one that it has is of this key."""
        name, identifier = key_name(origin), mac_id(origin)
        macs = [line.signature for line in note.signatures if (line.name, line.key_id) == (name, identifier)]
        expected = self.mac(note.text)
        return bool(macs) and all(hmac.compare_digest(found, expected) for found in macs)


def key_at(k0: bytes, index: int) -> bytes:
    """Return the key of a checkpoint from the first one; it takes as many steps as the index says. Raises `AuditError`."""
    key = EvolvingMac(k0)
    for _ in range(index):
        key = key.next()
    return key.key


def check(origin: str, note: Note, k0: bytes, index: int) -> bool:
    """Whether a checkpoint with this index carries the MAC that belongs there. Raises `AuditError`."""
    return EvolvingMac(key_at(k0, index), index).check(origin, note)


def key_name(origin: str) -> str:
    """Return the name in the signature line; a name cannot have a plus sign."""
    return f"{origin}/mac"


def mac_id(origin: str) -> bytes:
    """Return the key id in the signature line, which is the same for all keys of a log."""
    return key_id(key_name(origin), KeyType.UNREGISTERED, IDENTIFIER)
