"""
The recovery key: opens the volume without the HSM, is shown once and kept on paper, and is nowhere on the host.

200 bits in an alphabet without look-alikes (Crockford's base 32), written in groups; it is typed exactly as it is shown. It lies in one of
two slots, so that a new one is there before the old one goes. The mark in the header follows when it was shown.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from deepseek_local.errors import StorageError
from deepseek_local.storage import cryptsetup, header
from deepseek_local.storage.header import RECOVERY_SLOTS, RecoveryToken

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP_LETTERS = 8, 5
_SHAPE_LETTERS = _GROUPS * (_GROUP_LETTERS + 1) - 1

Show = Callable[[str], None]
"""Shows the key, and returns only when it has left this process. Raises `OutputError`."""


def make() -> str:
    """Make a key."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


def read(typed: str) -> bytes:
    """Return the passphrase that somebody typed from paper. Raises `StorageError`."""
    text = typed.strip().upper()
    if len(text) != _SHAPE_LETTERS or set(text) - set(_ALPHABET) - {"-"}:
        raise StorageError(
            f"that is no recovery key, which has {_GROUPS} groups of {_GROUP_LETTERS} letters and digits with dashes between them; "
            "type it as it stands on the paper"
        )
    return text.encode()


def replace(device: Path, passphrase: bytes, show: Show) -> None:
    """
    Give the volume a new recovery key, then take the old one away; `passphrase` opens another slot.

    Raises `StorageError`, and `OutputError` when it could not be shown; then the old one still opens the volume.
    """
    before = header.read(device)
    kept = before.recovery_slots[:1]
    for slot in RECOVERY_SLOTS:  # what an earlier run left, which nobody has on paper
        if before.has(slot) and slot not in kept:
            cryptsetup.kill_slot(device, slot, passphrase)
    (slot, *_) = (each for each in RECOVERY_SLOTS if each not in kept)
    text = make()
    cryptsetup.add_key(device, slot, passphrase, text.encode(), *cryptsetup.SLOW)
    show(text)
    cryptsetup.import_token(device, header.encode(RecoveryToken((str(slot),))))
    for old in kept:
        cryptsetup.kill_slot(device, old, passphrase)
    for number in before.recovery:
        cryptsetup.remove_token(device, number)
