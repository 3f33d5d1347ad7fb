"""
Let go of whole days of captured texts: first their key, with which all of the day is unreadable, then the texts.

Whoever owns the store does not have to be trusted by whoever deletes, who may be root: a day that is a link is not followed, and a day that
holds anything but a key and texts is left as it is.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deepseek_local.errors import AuditError
from deepseek_local.files import sync_directory

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A process that was killed leaves what it had begun, and of a key that can be the very file under a second name.
_KEY = re.compile(r"key|\.key\.[0-9a-f]{16}")
_TEXT = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Day:
    """What is stored of one day."""

    name: str
    """Such as `2026-11-24`, in UTC."""
    texts: int
    bytes: int


def before(directory: Path, limit: date) -> tuple[Day, ...]:
    """Return the days before one, oldest first. Raises `AuditError` for a day that holds what is no text."""
    with _told(directory):
        return tuple(_examine(directory, name) for name in _names(directory) if name < limit.isoformat())


def exist(directory: Path) -> bool:
    """Whether there are texts of any day. Raises `AuditError`."""
    with _told(directory):
        return bool(_names(directory))


def forget(directory: Path, day: Day) -> None:
    """
    Destroy the key of a day, then delete its texts; what a crash leaves is unreadable, and goes when this is done again.

    It does not reach copies: backups, snapshots, and what a solid-state disk keeps of overwritten blocks. Raises `AuditError`.
    """
    with _told(directory), _opened(directory, day.name) as opened:
        keys, texts = _entries(directory / day.name, opened)
        for name in keys:
            _overwrite(name, opened)
            os.unlink(name, dir_fd=opened)
        os.fsync(opened)
        for name in texts:
            os.unlink(name, dir_fd=opened)
        (directory / day.name).rmdir()
        sync_directory(directory)


def _names(directory: Path) -> list[str]:
    if not directory.exists():
        return []
    return sorted(path.name for path in directory.iterdir() if _DAY.fullmatch(path.name))


def _examine(directory: Path, name: str) -> Day:
    with _opened(directory, name) as opened:
        _, texts = _entries(directory / name, opened)
        sizes = [os.stat(text, dir_fd=opened, follow_symlinks=False).st_size for text in texts]
    return Day(name, len(sizes), sum(sizes))


@contextmanager
def _opened(directory: Path, name: str) -> Iterator[int]:
    descriptor = os.open(directory / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _entries(place: Path, opened: int) -> tuple[list[str], list[str]]:
    """Return the names of keys and of texts."""
    names = os.listdir(opened)
    keys = [name for name in names if _KEY.fullmatch(name)]
    texts = [name for name in names if _TEXT.fullmatch(name)]
    if strange := sorted({*names} - {*keys, *texts}):
        raise AuditError(f"{place} holds {strange[0]!r:.80}, which is no captured text; move it away, then try again")
    return keys, texts


def _overwrite(name: str, opened: int) -> None:
    if not stat.S_ISREG(os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode):
        return
    descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=opened)
    try:
        os.write(descriptor, bytes(os.fstat(descriptor).st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditError(
            f"the captured texts below {directory} cannot be dealt with ({error.filename}: {error.strerror}); "
            "look at the rights and at links, then try again"
        ) from error
