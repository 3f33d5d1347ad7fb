"""What is on a device before anything is written to it, as wipefs(8) finds it: file systems, partition tables, other volumes."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deepseek_local.errors import StorageError
from deepseek_local.storage import cryptsetup
from deepseek_local.storage.mapping import BLOCK

SMALLEST_BYTES = 32 * 1024 * 1024
"""A header takes 16 MiB."""


class _Signature(msgspec.Struct):
    type: str
    offset: str
    label: str | None = None


class _Found(msgspec.Struct):
    signatures: list[_Signature] = []


@dataclass(frozen=True, slots=True)
class Device:
    """A block device, or a file that stands for one."""

    path: Path
    bytes: int
    signatures: tuple[str, ...]
    """What is on it, such as `ext4 'data'`."""


def examine(path: Path) -> Device:
    """Look at a device without changing it. Raises `StorageError` for what is none, is in use, or cannot be looked at."""
    try:
        path = path.resolve(strict=True)
        status = path.stat()
        if not (stat.S_ISBLK(status.st_mode) or stat.S_ISREG(status.st_mode)):
            raise StorageError(f"{path} is neither a block device nor a file; name a device with --device")
        _insist_on_no_loop(path)
        size = _size_of_free(path, exclusive=stat.S_ISBLK(status.st_mode))
    except OSError as error:
        reason = "it is mounted or in use" if error.errno == errno.EBUSY else error.strerror
        raise StorageError(
            f"{path} cannot be taken for a volume: {reason}; name a free device with --device, as root"
        ) from error
    if size < SMALLEST_BYTES:
        raise StorageError(f"{path} has {size} bytes; a volume needs at least {SMALLEST_BYTES}")
    return Device(path, size, signatures(path))


def signatures(path: Path) -> tuple[str, ...]:
    """List what wipefs recognises, once each. Raises `StorageError`."""
    answered = cryptsetup.run(("wipefs", "--no-act", "--json", str(path)), "util-linux")
    if answered.code != 0:
        said = answered.complaint.strip() or f"exit code {answered.code}"
        raise StorageError(f"nobody knows what is on {path}: {said}; look at it with wipefs")
    try:
        found = msgspec.json.decode(answered.answer or "{}", type=_Found)
    except msgspec.MsgspecError as error:
        raise StorageError(
            f"nobody knows what is on {path}: wipefs answered {error}; look at it with wipefs"
        ) from error
    names = [f"{each.type} {each.label!r}" if each.label else each.type for each in found.signatures]
    return tuple(dict.fromkeys(names))


def _insist_on_no_loop(file: Path) -> None:
    """Refuse a file that is a device already (loop(4)), which opening it would not show. Raises `StorageError`."""
    for each in BLOCK.glob("loop*/loop/backing_file"):
        try:
            backing = each.read_text("utf-8", "surrogateescape").rstrip("\n")
        except OSError:  # given back since the directory was read
            continue
        if backing == str(file):
            raise StorageError(f"{file} is in use as /dev/{each.parts[-3]}; close or unmount that first")


def _size_of_free(path: Path, *, exclusive: bool) -> int:
    """Return the size; the kernel opens a block device exclusively only where nobody uses it (open(2), O_EXCL)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if exclusive else 0))
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)
