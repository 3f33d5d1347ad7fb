"""
From a header and an HSM to the passphrase: each wrapped one is unwrapped, and tried.

There is more than one while keys are changed, and after a change that was cut off; then one of them opens the volume. A passphrase that
cannot be unwrapped was wrapped by another key, for another volume, or altered: GCM does not tell these apart.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import StorageError
from deepseek_local.hsm import aes, failures
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import cryptsetup
from deepseek_local.storage.header import HSM_SLOT, Header, WrappedToken

PASSPHRASE_BYTES = 48


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A passphrase that opens a slot."""

    passphrase: bytes
    slot: int


def wrap_new(key: TokenURI, purpose: bytes) -> tuple[bytes, WrappedToken]:
    """Make a passphrase and the token that holds it. Raises `HSMError`."""
    passphrase = secrets.token_bytes(PASSPHRASE_BYTES)
    with aes.key(key) as secret:
        wrapped = secret.wrap(passphrase, purpose)
    return passphrase, WrappedToken(key=describe(key), nonce=wrapped.nonce, data=wrapped.data)


def describe(key: TokenURI) -> str:
    """Name a key without the way to it: the part of its URI that a header may hold."""
    return str(key).partition("?")[0]


def passphrases(header: Header, keys: Iterable[TokenURI]) -> list[bytes]:
    """Unwrap whatever these keys can unwrap; one session after the other. Raises `HSMError`."""
    found: list[bytes] = []
    for key in dict.fromkeys(keys):
        with aes.key(key) as secret:
            unwrapped = [secret.unwrap(token.wrapped(), header.purpose) for token in header.wrapped.values()]
        found += [each for each in unwrapped if each is not None]
    return list(dict.fromkeys(found))


def unlock(device: Path, header: Header, keys: Sequence[TokenURI]) -> Opened:
    """Return the passphrase that opens the HSM's slot. Raises `HSMError`, and `StorageError` when none does."""
    if not header.wrapped:
        raise StorageError(
            f"the header of {device} holds no passphrase for an HSM; give it one with `storage rekey --recovery-key`, "
            "or, if `storage init` was cut off there, run that again with --force"
        )
    unwrapped = passphrases(header, keys)
    for passphrase in unwrapped:
        if cryptsetup.unlocks(device, passphrase, HSM_SLOT) is not None:
            return Opened(passphrase, HSM_SLOT)
    if not unwrapped:
        tried = " and ".join(failures.key(key) for key in keys)
        named = ", ".join(sorted({f"{token.key!r:.120}" for token in header.wrapped.values()}))
        raise StorageError(
            f"the key {tried} does not unwrap the passphrase of {device}, whose header names {named}; "
            "name that key with --key, or restore the header from its copy if it was altered"
        )
    raise StorageError(
        f"the HSM unwraps the passphrase of {device}, but slot {HSM_SLOT} does not open with it; "
        "restore the header from its newest copy, or run `storage rekey --recovery-key`"
    )
