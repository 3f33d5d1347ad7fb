"""
A new volume: everything that can fail without touching the device comes first, then the header, the recovery key, and the copy.

A run that is cut off leaves a header without data below it, since nobody had the volume open; the next run makes it anew with `--force`.
"""

import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import StorageError
from deepseek_local.files import sync_directory
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import cryptsetup, header, mapping, recovery, unlock
from deepseek_local.storage.device import Device
from deepseek_local.storage.header import HSM_SLOT
from deepseek_local.storage.recovery import Show


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """What the HSM did for a volume that is not made yet."""

    uuid: str
    passphrase: bytes
    token: bytes


def insist_on_empty(device: Device, forced: Path | None) -> None:
    """Refuse a device that carries anything, unless it was named once more. Raises `StorageError`."""
    if device.signatures and (forced is None or forced.resolve() != device.path):
        raise StorageError(
            f"{device.path} carries {', '.join(device.signatures)}; name an empty device, "
            f"or destroy what is on this one with --force {device.path}"
        )


def prepare(key: TokenURI) -> Prepared:
    """Choose the volume's name and passphrase, and wrap it; nothing is written. Raises `HSMError`."""
    name = str(uuid.uuid4())
    passphrase, token = unlock.wrap_new(key, name.encode())
    return Prepared(name, passphrase, header.encode(token))


def create(device: Device, prepared: Prepared, key: TokenURI, show: Show, backup: Path) -> None:
    """
    Make the volume, show its recovery key, and copy its header to `backup`.

    Raises `StorageError`, `HSMError` when the HSM does not give the passphrase back, and `OutputError` when the recovery key was not shown.
    """
    insist_on_room_for(backup)
    cryptsetup.format_volume(device.path, prepared.uuid, HSM_SLOT, prepared.passphrase)
    cryptsetup.import_token(device.path, prepared.token)
    opened = unlock.unlock(device.path, header.read(device.path), (key,))
    recovery.replace(device.path, opened.passphrase, show)
    copy_header(device.path, backup)


def insist_on_room_for(backup: Path) -> None:
    """Refuse a place for the copy that is taken or missing, before anything is changed. Raises `StorageError`."""
    if os.path.lexists(backup):
        raise StorageError(
            f"{backup} is there already; name a new file for the copy of the header with --header-backup"
        )
    if not backup.absolute().parent.is_dir():
        raise StorageError(
            f"{backup.absolute().parent} is no directory; make it, or name another file with --header-backup"
        )


def copy_header(device: Path, backup: Path) -> None:
    """Copy the header into a new file that is complete and durable, or not there, and not on the volume itself. Raises `StorageError`."""
    insist_on_room_for(backup)
    place = backup.absolute().parent
    opened = mapping.find(header.read(device).uuid)
    on = place.stat().st_dev
    if opened is not None and opened.device == f"{os.major(on)}:{os.minor(on)}":
        raise StorageError(
            f"{backup} lies on the volume whose header it copies; name a file elsewhere with --header-backup"
        )
    draft = place / f".{backup.name}.{secrets.token_hex(8)}"
    try:
        cryptsetup.backup_header(device, draft)
        _sync(draft)
        os.link(draft, backup)  # unlike a rename, it never replaces what somebody else made in the meantime
    except (OSError, StorageError) as error:
        raise StorageError(
            f"the volume is as it should be, but its header is not copied to {backup}: {error}; run `storage backup-header` with another file"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(place)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
