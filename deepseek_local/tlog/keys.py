"""
Keys that sign notes: Ed25519 for a log, Ed25519 with the time for a witness (C2SP signed-note, tlog-cosignature; RFC 8032).

Name and key id say together which key signed and how. The id is only four bytes, because it finds a key that the verifier already has:
whoever makes up another key with the same id gets a signature that does not verify. The verifier key `name+id+key` is the line that
operators hand to auditors and witnesses.

A witness signs the text with the time before it and puts the time into the signature: as of then, this was the largest tree that it had
seen, and it continued all that it had seen before.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deepseek_local.errors import AuditError
from deepseek_local.tlog import strict_base64

KEY_BYTES = 32
"""Of a seed and of a public key."""
KEY_ID_BYTES = 4
TIME_BYTES = 8
TIME_LIMIT = 2**63
"""Seconds since 1970 stay below this."""

_UNNAMABLE = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")
_VERIFIER_KEY = re.compile(r"(?P<name>[^+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>.+)")


class KeyType(IntEnum):
    """The byte that says how a key signs."""

    ED25519 = 0x01
    COSIGNATURE = 0x04
    UNREGISTERED = 0xFF
    """An identifier in words follows it."""


_VERIFIABLE = (KeyType.ED25519, KeyType.COSIGNATURE)


class Signer(Protocol):
    """A key that signs notes, wherever it is kept."""

    @property
    def name(self) -> str:
        """Its name, as it stands in signature lines."""

    @property
    def key_id(self) -> bytes:
        """Its four bytes, see `key_id`."""

    def sign(self, text: str) -> bytes:
        """Return a signature of the text of a note."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and what it is trusted for. Raises `AuditError` when it cannot verify notes."""

    name: str
    public_key: bytes
    """32 bytes."""
    kind: KeyType = KeyType.ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind not in _VERIFIABLE or len(self.public_key) != KEY_BYTES:
            raise AuditError(
                f"the key {self.name!r} has type {self.kind:#04x} and {len(self.public_key)} bytes; "
                f"verify with an Ed25519 key, of type 0x01 or 0x04 and {KEY_BYTES} bytes"
            )

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a verifier key, `name+id+key`. Raises `AuditError`."""
        match = _VERIFIER_KEY.fullmatch(line)
        if match is None:  # it may be a secret that was put here by mistake, so it is not shown
            raise AuditError(
                f"a line of {len(line)} characters is not a verifier key; "
                "it is written name+id+key, the id with eight hexadecimal digits"
            )
        kind, *public_key = strict_base64.decode(match["key"])
        if kind not in _VERIFIABLE:
            raise AuditError(
                f"the verifier key of {match['name']!r} has the type {kind:#04x}; use an Ed25519 key, of type 0x01 or 0x04"
            )
        verifier = cls(match["name"], bytes(public_key), KeyType(kind))
        if verifier.key_id.hex() != match["id"]:
            raise AuditError(
                f"the verifier key of {match['name']!r} should have the id {verifier.key_id.hex()}; get the original again"
            )
        return verifier

    def __str__(self) -> str:
        """Write the verifier key."""
        return f"{self.name}+{self.key_id.hex()}+{strict_base64.encode(bytes([self.kind]) + self.public_key)}"

    @property
    def key_id(self) -> bytes:
        """The four bytes in front of each of its signatures."""
        return key_id(self.name, self.kind, self.public_key)

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether this key made the signature for this text."""
        message = text
        if self.kind is KeyType.COSIGNATURE:
            seconds, signature = time_of(signature), signature[TIME_BYTES:]
            if seconds >= TIME_LIMIT:
                return False
            message = _cosigned(text, seconds)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message.encode())
        except InvalidSignature:
            return False
        return True


class Ed25519Signer:
    """The key of a log, from a seed of 32 bytes. Raises `AuditError` when the seed or the name cannot be one."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = _private_key(name, seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())
        """Verifies what it signs; to be handed out."""
        self.name = name
        self.key_id = self.verifier.key_id

    def sign(self, text: str) -> bytes:
        """Return 64 bytes."""
        return self._key.sign(text.encode())


class Cosigner:
    """The key of a witness, from a seed of 32 bytes. Raises `AuditError` when the seed or the name cannot be one."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = _private_key(name, seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw(), KeyType.COSIGNATURE)
        """Verifies what it signs; to be handed out."""
        self.name = name
        self.key_id = self.verifier.key_id

    def sign(self, text: str, seconds: int) -> bytes:
        """Return 72 bytes: the time in seconds since 1970, and the signature of time and text. Raises `AuditError` for a time before."""
        if not 0 <= seconds < TIME_LIMIT:
            raise AuditError(f"a cosignature cannot have the time {seconds}; set the clock of this host")
        return seconds.to_bytes(TIME_BYTES) + self._key.sign(_cosigned(text, seconds).encode())


def verifier_key(name: str, public_key: bytes, kind: KeyType = KeyType.ED25519) -> str:
    """Write the verifier key of a public key. Raises `AuditError`."""
    return str(Verifier(name, public_key, kind))


def key_id(name: str, kind: KeyType, public_key: bytes) -> bytes:
    """Return the four bytes in front of each signature of a key; of an unregistered type the identifier stands before the key."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:KEY_ID_BYTES]


def check_name(name: str) -> None:
    """Raise `AuditError` for what cannot be the name of a key."""
    if not name or _UNNAMABLE.search(name):
        raise AuditError(f"{name!r} cannot name a key; write at least one character, without spaces and plus signs")


def time_of(cosignature: bytes) -> int:
    """Return when a witness signed, in seconds since 1970."""
    return int.from_bytes(cosignature[:TIME_BYTES])


def _cosigned(text: str, seconds: int) -> str:
    return f"cosignature/v1\ntime {seconds}\n{text}"


def _private_key(name: str, seed: bytes) -> Ed25519PrivateKey:
    if len(seed) != KEY_BYTES:
        raise AuditError(f"the seed of the key {name!r} has {len(seed)} bytes instead of {KEY_BYTES}; make a new one")
    return Ed25519PrivateKey.from_private_bytes(seed)
