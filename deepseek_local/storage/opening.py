"""The volume opened and closed: found open before anything is done, and seen open or closed afterwards."""

import re
from pathlib import Path

from deepseek_local.errors import StorageError
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import cryptsetup, device, header, mapping, unlock
from deepseek_local.storage.header import Header
from deepseek_local.storage.mapping import Mapping

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def check_name(name: str) -> str:
    """Return a name that /dev/mapper, a unit and a table of file systems take alike. Raises `StorageError`."""
    if not _NAME.fullmatch(name):
        raise StorageError(
            f"{name!r:.80} cannot name an open volume; use at most 64 letters, digits, dots, dashes and underscores"
        )
    return name


def already(read: Header, name: str) -> Mapping | None:
    """Return the mapping if the volume is open under that name. Raises `StorageError` when name or volume is taken otherwise."""
    opened, taken = mapping.find(read.uuid), mapping.named(name)
    if opened is not None and opened.name != name:
        raise StorageError(f"the volume is open as {opened.path} already; close it there, or use --name {opened.name}")
    if opened is None and taken is not None:
        raise StorageError(f"{taken.path} is another volume; close that, or choose another name with --name")
    return opened


def open_volume(place: Path, read: Header, name: str, key: TokenURI) -> Mapping:
    """Open the volume as /dev/mapper/NAME. Raises `HSMError` and `StorageError`."""
    opened = unlock.unlock(place, read, (key,))
    cryptsetup.open_volume(place, name, opened.slot, opened.passphrase)
    found = mapping.find(read.uuid)
    if found is None:
        raise StorageError(f"cryptsetup says that {place} is open, and the kernel does not; look at dmsetup ls")
    return found


def make_filesystem(opened: Mapping) -> bool:
    """Make ext4 where the open volume carries nothing; return whether it was made. Raises `StorageError`."""
    if device.signatures(opened.path):
        return False
    answered = cryptsetup.run(("mkfs.ext4", "-q", "-L", cryptsetup.LABEL, str(opened.path)), "e2fsprogs")
    if answered.code != 0:
        raise cryptsetup.failed("mkfs.ext4", opened.path, answered)
    return True


def close_volume(opened: Mapping) -> None:
    """Close the volume. Raises `StorageError` that says what uses it."""
    if used := mapping.uses(opened):
        raise StorageError(f"{opened.path} is {'; '.join(used)}; end that, unmount the volume, and close it again")
    cryptsetup.close_volume(opened.name)


def insist_on_volume(opened: Mapping) -> str:
    """Return the UUID of an open volume, in the form of its header. Raises `StorageError` for what is no LUKS2 volume."""
    if opened.uuid is None:
        raise StorageError(f"{opened.path} is no LUKS2 volume; name the one that `storage open` made with --name")
    return opened.uuid


def insist_on_erasable(place: Path, read: Header, typed: str) -> None:
    """Refuse to erase a volume that is open, or whose UUID was not typed. Raises `StorageError`."""
    if typed.strip().lower() != read.uuid.lower():
        raise StorageError(
            f"{typed.strip()!r:.80} is not the UUID of {place}; nothing was erased, type {read.uuid} to do it"
        )
    if (opened := mapping.find(read.uuid)) is not None:
        raise StorageError(f"the volume is open as {opened.path}; close it with `storage close`, then erase it")


def erase(place: Path) -> None:
    """Destroy all key slots, and what the HSM had wrapped. Raises `StorageError`."""
    cryptsetup.erase(place)
    left = header.read(place)
    for number in (*left.wrapped, *left.recovery):
        cryptsetup.remove_token(place, number)
    if left.slots:
        raise StorageError(f"{place} still has {len(left.slots)} key slots; destroy the device itself")
