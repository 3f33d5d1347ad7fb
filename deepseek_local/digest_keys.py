"""
The keys under which prompts and answers are digested for the audit log: `k1`, `k2`, … in one directory, the newest of which is in use.

HMAC-SHA256 tells nothing to who does not hold the key, so a text stays linkable to its records exactly as long as its key exists: keys are
changed by adding one, and unlinked by destroying one. The newest is never destroyed, so that a number names one key for ever. Decision
0026.
"""

import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch, make_directory, sync_directory
from deepseek_local.identity import keys
from deepseek_local.keyed_hash import KeyedHash

_log = logging.getLogger(__name__)

_NAME = re.compile(r"k([1-9][0-9]{0,8})")
_FIRST = 1
_DESTROYED = bytes(keys.KEY_BYTES)


@dataclass(frozen=True, slots=True)
class DigestKey:
    """One key, by the name that stands before every digest made with it."""

    name: str
    hash: KeyedHash = field(repr=False, compare=False)

    def digest(self, content: bytes) -> str:
        """Return the name and 64 hex digits, as `k3:…`."""
        return f"{self.name}:{self.hash.digest(content)}"


@dataclass(frozen=True, slots=True)
class Listed:
    """What may be told about a key."""

    name: str
    since: datetime
    """When it was made, by the time of its file."""
    in_use: bool


class LiveDigestKey:
    """
    The key in use now, followed while requests come in. Raises `IdentityError` when there is none at the start.

    It watches for the file of the next number, which appears in one step. While a newer key cannot be used, the last good one stays: no
    digest becomes wrong by that, and the log says once what is the matter.
    """

    def __init__(self, directory: Path, watch: Callable[[Sequence[Path]], Watch] = Watch) -> None:
        self._directory = directory
        self._watch_paths = watch
        self._key = newest(directory)
        self._follow()

    def current(self) -> DigestKey:
        """Return the key; between two looks this costs one reading of the clock."""
        if self._watch.stamps() is not self._seen:
            self._look()
        return self._key

    def _look(self) -> None:
        try:
            self._key = newest(self._directory)
        except IdentityError as error:
            _log.error("the digest key stays %s: %s", self._key.name, error)
            self._seen = self._watch.stamps()
        else:
            self._follow()

    def _follow(self) -> None:
        following = _path(self._directory, int(self._key.name[1:]) + 1)
        self._watch = self._watch_paths([following])
        self._seen = self._watch.stamps()


def ensure(directory: Path) -> None:
    """Make the first key where there is none yet. Raises `IdentityError`."""
    try:
        if not directory.exists():
            make_directory(directory, 0o700)
    except OSError as error:
        raise IdentityError(f"the key directory {directory} cannot be created ({error.strerror})") from error
    if not _numbers(directory):
        keys.ensure(_path(directory, _FIRST))


def newest(directory: Path) -> DigestKey:
    """Return the key in use. Raises `IdentityError` if there is none, or it cannot be used."""
    return _read(directory, _existing(directory)[-1])


def read_all(directory: Path) -> tuple[DigestKey, ...]:
    """Return all keys, the newest first. Raises `IdentityError`."""
    return tuple(_read(directory, number) for number in reversed(_existing(directory)))


def listed(directory: Path) -> tuple[Listed, ...]:
    """List the keys, the oldest first. Raises `IdentityError`."""
    numbers = _existing(directory)
    return tuple(Listed(f"k{number}", _made(_path(directory, number)), number == numbers[-1]) for number in numbers)


def following(directory: Path) -> str:
    """Return the name of the key that `rotate` will make. Raises `IdentityError`."""
    return f"k{_existing(directory)[-1] + 1}"


def rotate(directory: Path) -> DigestKey:
    """Make a new key, which is used from now on. Raises `IdentityError`."""
    number = _existing(directory)[-1] + 1
    keys.ensure(_path(directory, number))
    return _read(directory, number)


def insist_on_destroyable(directory: Path, name: str) -> None:
    """Raise `IdentityError` for a key that does not exist or is in use."""
    names = [f"k{number}" for number in _existing(directory)]
    if name not in names:
        raise IdentityError(f"there is no key {name!r:.32} in {directory}; those that exist are {', '.join(names)}")
    if name == names[-1]:
        raise IdentityError(f"the key {name} is in use; run `audit keys rotate` first, then destroy it")


def destroy(directory: Path, name: str) -> None:
    """
    Overwrite a key and remove it: no text can be linked to the digests made with it any more. Raises `IdentityError`.

    It does not reach copies: backups, snapshots, and what a solid-state disk keeps of overwritten blocks.
    """
    insist_on_destroyable(directory, name)
    path = directory / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(descriptor, _DESTROYED)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink()
        sync_directory(directory)
    except OSError as error:
        raise IdentityError(
            f"the key {path} could not be destroyed ({error.strerror}); it may still be readable, so try again"
        ) from error


def _path(directory: Path, number: int) -> Path:
    return directory / f"k{number}"


def _numbers(directory: Path) -> Sequence[int]:
    try:
        found = [_NAME.fullmatch(entry) for entry in os.listdir(directory)]  # noqa: PTH208 -- names are all that is needed
    except OSError as error:
        raise IdentityError(
            f"the key directory {directory} cannot be read ({error.strerror}); `serve` makes it"
        ) from error
    return sorted(int(match[1]) for match in found if match)


def _existing(directory: Path) -> Sequence[int]:
    numbers = _numbers(directory)
    if not numbers:
        raise IdentityError(f"the key directory {directory} holds no key such as k1; start with `deepseek-local serve`")
    return numbers


def _read(directory: Path, number: int) -> DigestKey:
    key = keys.read(_path(directory, number))
    if key == _DESTROYED:  # else a digest would be told that no record can have
        raise IdentityError(
            f"the key k{number} in {directory} was not destroyed to the end; run `audit keys destroy k{number}` again"
        )
    return DigestKey(f"k{number}", KeyedHash(key))


def _made(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise IdentityError(f"the key {path} cannot be examined ({error.strerror})") from error
