"""
A new passphrase, wrapped by a new key of the HSM or by the same: the header holds both before the slot changes, and one afterwards.

    token for the new one in → slot 0 changed from old to new (cryptsetup) → read back, tried → other tokens out → no slot opens with an old one

At every point between two steps a passphrase in the header opens slot 0, and the recovery key its own slot; the same command again, with
the old key or with the new one, finishes what was cut off. With the recovery key, for an HSM that is lost, slot 0 is made anew.
"""

from collections.abc import Sequence
from pathlib import Path

from deepseek_local.errors import StorageError
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import cryptsetup, header, unlock
from deepseek_local.storage.header import HSM_SLOT, RECOVERY_SLOTS, Header


def with_hsm(device: Path, key: TokenURI, new: TokenURI) -> None:
    """Change the passphrase that `key`, or after a cut-off change `new`, unwraps. Raises `HSMError` and `StorageError`."""
    before = header.read(device)
    keys = (key, new)
    old = unlock.unlock(device, before, keys)
    outdated = unlock.passphrases(before, keys)
    passphrase, token = unlock.wrap_new(new, before.purpose)
    cryptsetup.import_token(device, header.encode(token))
    cryptsetup.change_key(device, HSM_SLOT, old.passphrase, passphrase)
    _finish(device, before, new, passphrase)
    _kill_slots_of(device, outdated, passphrase)


def with_recovery_key(device: Path, typed: bytes, new: TokenURI) -> None:
    """Make the HSM's slot anew; the recovery key opens the volume meanwhile. Raises `HSMError` and `StorageError`."""
    before = header.read(device)
    if not any(cryptsetup.unlocks(device, typed, slot) is not None for slot in RECOVERY_SLOTS if before.has(slot)):
        raise StorageError(
            f"{device} does not open with that recovery key; check the paper, and that it belongs to the volume {before.uuid}"
        )
    passphrase, token = unlock.wrap_new(new, before.purpose)
    if before.has(HSM_SLOT):
        cryptsetup.kill_slot(device, HSM_SLOT, typed)
    cryptsetup.add_key(device, HSM_SLOT, typed, passphrase, *cryptsetup.FAST)
    cryptsetup.import_token(device, header.encode(token))
    _finish(device, before, new, passphrase)


def _finish(device: Path, before: Header, new: TokenURI, passphrase: bytes) -> None:
    """Take the outdated tokens out, once the way through the HSM has been gone."""
    opened = unlock.unlock(device, header.read(device), (new,))
    if opened.passphrase != passphrase:
        raise StorageError(f"{device} was changed by somebody else meanwhile; run `storage rekey` again")
    for number in before.wrapped:
        cryptsetup.remove_token(device, number)


def _kill_slots_of(device: Path, outdated: Sequence[bytes], passphrase: bytes) -> None:
    """Leave no slot that an old passphrase opens; a change that was cut off in cryptsetup may have left one."""
    for each in outdated:
        while (slot := cryptsetup.unlocks(device, each)) is not None:
            cryptsetup.kill_slot(device, slot, passphrase)
