"""
What a LUKS2 header says: key slots, and the tokens that tell how a slot is opened (LUKS2 on-disk format 1.1, section 3).

Slot 0 belongs to the HSM: the token beside it holds the slot's passphrase, wrapped in the HSM for this volume and no other. Slots 30 and 31
belong to the recovery key, one of them at a time; its token is written only after the key was shown. All other slots are the site's own.

A header comes from a disk and may have been altered. So it says which key wrapped the passphrase, for people to read, and never where the
module of an HSM lies.
"""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from deepseek_local.errors import StorageError
from deepseek_local.hsm.aes import Wrapped
from deepseek_local.storage import cryptsetup

HSM_SLOT = 0
RECOVERY_SLOTS = (30, 31)
"""High ones, because programs take the lowest free slot."""

WRAPPED: Literal["deepseek-local-pkcs11"] = "deepseek-local-pkcs11"
RECOVERY: Literal["deepseek-local-recovery"] = "deepseek-local-recovery"


class WrappedToken(Struct, frozen=True, kw_only=True):
    """The HSM's token: a passphrase as the HSM wrapped it."""

    type: Literal["deepseek-local-pkcs11"] = WRAPPED
    keyslots: tuple[str, ...] = (str(HSM_SLOT),)
    version: Literal[1] = 1
    key: str
    """Which key wrapped it: the part of its URI before the question mark."""
    mechanism: Literal["AES-GCM"] = "AES-GCM"
    nonce: bytes
    data: bytes

    def wrapped(self) -> Wrapped:
        """Return what the HSM can unwrap."""
        return Wrapped(self.nonce, self.data)


class RecoveryToken(Struct, frozen=True):
    """The mark that the recovery key of a slot has been shown."""

    keyslots: tuple[str, ...]
    type: Literal["deepseek-local-recovery"] = RECOVERY


class _Derivation(Struct):
    type: str


class _Slot(Struct):
    kdf: _Derivation


class _AnyToken(Struct):
    type: str
    keyslots: tuple[str, ...]


class _Segment(Struct):
    encryption: str = ""


class _Metadata(Struct):
    keyslots: dict[str, _Slot]
    tokens: dict[str, msgspec.Raw]
    segments: dict[str, _Segment]


class Slot(Struct, frozen=True):
    """One key slot."""

    number: int
    derivation: str
    """How a passphrase becomes its key, such as `argon2id`."""
    tokens: tuple[str, ...]
    """Types of the tokens that name it."""


class Header(Struct, frozen=True):
    """A header as far as it matters here."""

    uuid: str
    cipher: str
    slots: tuple[Slot, ...]
    wrapped: dict[int, WrappedToken]
    """The HSM's tokens by their numbers; more than one while keys are changed."""
    recovery: dict[int, RecoveryToken]

    @property
    def purpose(self) -> bytes:
        """What a wrapped passphrase is bound to."""
        return self.uuid.encode()

    @property
    def recovery_slots(self) -> tuple[int, ...]:
        """Slots whose recovery key has been shown."""
        named = {number for token in self.recovery.values() for number in token.keyslots}
        return tuple(number for number in RECOVERY_SLOTS if str(number) in named and self.has(number))

    def has(self, number: int) -> bool:
        """Whether a slot is in use."""
        return any(slot.number == number for slot in self.slots)


def read(device: Path) -> Header:
    """Read the header of a volume. Raises `StorageError`."""
    named = cryptsetup.call("luksUUID", str(device))
    if named.code != 0:
        _insist_on_there(device)
        raise StorageError(
            f"{device} has no LUKS2 header that can be read; name the right device with --device, "
            f"or restore the header from its copy: cryptsetup luksHeaderRestore {device} --header-backup-file FILE"
        )
    dumped = cryptsetup.insist(device, "luksDump", "--dump-json-metadata", str(device))
    return parse(named.answer.strip(), dumped.answer.encode())


def parse(uuid: str, metadata: bytes) -> Header:
    """Read what cryptsetup prints of a header. Raises `StorageError`."""
    try:
        read_as = msgspec.json.decode(metadata, type=_Metadata)
        tokens = {
            int(number): (raw, msgspec.json.decode(raw, type=_AnyToken)) for number, raw in read_as.tokens.items()
        }
        wrapped = {
            number: msgspec.json.decode(raw, type=WrappedToken)
            for number, (raw, it) in tokens.items()
            if it.type == WRAPPED
        }
        recovery = {
            number: msgspec.json.decode(raw, type=RecoveryToken)
            for number, (raw, it) in tokens.items()
            if it.type == RECOVERY
        }
        slots = tuple(
            Slot(int(number), slot.kdf.type, tuple(it.type for _, it in tokens.values() if number in it.keyslots))
            for number, slot in read_as.keyslots.items()
        )
        cipher = next((segment.encryption for segment in read_as.segments.values()), "")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StorageError(
            f"the header of the volume {uuid} is not one that this version wrote: {error}; restore it from its copy with "
            "cryptsetup luksHeaderRestore, or use a newer version"
        ) from error
    return Header(uuid, cipher, slots, wrapped, recovery)


def encode(token: WrappedToken | RecoveryToken) -> bytes:
    """Write a token as it goes into a header."""
    return msgspec.json.encode(token)


def _insist_on_there(device: Path) -> None:
    try:
        with device.open("rb"):
            return
    except FileNotFoundError as error:
        raise StorageError(f"{device} is not there; connect the disk, or name another device with --device") from error
    except OSError as error:
        raise StorageError(
            f"{device} cannot be read: {error.strerror}; name a device with --device, as root"
        ) from error
