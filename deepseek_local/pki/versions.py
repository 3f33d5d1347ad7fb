"""
Versions of a certificate in use: directories `v0001`, `v0002`, …, and the link `current` to one of them.

A version is complete and durable before it gets its name, and it is put into use by one rename of a link: whoever reads through `current` sees
the old version or the new one, never a part, whatever crashes when. The version before stays, so that a switch can be taken back. A version that
was seen at work is marked as proven: it is what to go back to.
"""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory, read_regular, sync_directory, write_atomic

CURRENT = "current"
PROVEN = "proven"
"""A file in a version that was seen at work."""
KEPT = 3
"""Versions that `tidy` leaves: the current one and what a roll-back could need."""

_NAME = re.compile(r"v([0-9]{4,9})")
_DRAFT = ".draft-"
_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_KEY_BYTES_LIMIT = 65_536


class Versions:
    """All versions of one certificate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def current(self) -> Path | None:
        """The version in use; None before the first. Raises `PKIError`."""
        link = self.directory / CURRENT
        try:
            name = link.readlink().name
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PKIError(f"{link} is no link to a version: {error.strerror}; remove it, then run it again") from error
        return self.directory / name

    def stage(self, files: Mapping[str, bytes]) -> Path:
        """Write a new version, which is not in use yet, and return its directory. Raises `PKIError`."""
        try:
            make_directory(self.directory, _DIRECTORY_MODE)
            draft = self.directory / f"{_DRAFT}{secrets.token_hex(4)}"
            draft.mkdir(mode=_DIRECTORY_MODE)
            for name, content in files.items():
                write_atomic(draft / name, content, _FILE_MODE)
            version = self.directory / f"v{self._newest() + 1:04d}"
            draft.rename(version)
            sync_directory(self.directory)
        except OSError as error:
            raise self._failure("write a version in", error) from error
        return version

    def switch(self, version: Path) -> None:
        """Put a version into use. Raises `PKIError`; then the one before is still in use."""
        draft = self.directory / f"{_DRAFT}{secrets.token_hex(4)}"
        try:
            draft.symlink_to(version.name)
            draft.rename(self.directory / CURRENT)
            sync_directory(self.directory)
        except OSError as error:
            raise self._failure("switch the version in", error) from error

    def discard(self, version: Path) -> None:
        """Take a version away that is not in use, its key first. Raises `PKIError`."""
        if version == self.current:
            raise PKIError(f"{version} is in use; switch to another version first")
        try:
            for place in sorted(version.iterdir()):
                _overwrite(place)
                place.unlink()
            version.rmdir()
            sync_directory(self.directory)
        except OSError as error:
            raise self._failure("remove a version from", error) from error

    def prove(self, version: Path) -> None:
        """Mark a version as seen at work. Raises `PKIError`."""
        if self.is_proven(version):
            return
        try:
            write_atomic(version / PROVEN, b"", _FILE_MODE)
        except OSError as error:
            raise self._failure("mark a version in", error) from error

    def is_proven(self, version: Path) -> bool:
        """Whether the version was seen at work."""
        return (version / PROVEN).exists()

    def newest_proven(self) -> Path | None:
        """Return the version to go back to; None where there is none. Raises `PKIError`."""
        current = self.current
        return next((each for each in reversed(self.all()) if each != current and self.is_proven(each)), None)

    def discard_newer(self) -> None:
        """Take away the versions after the one in use: an interrupted run has never used them, or they were taken back. Raises `PKIError`."""
        current = self.current
        if current is not None:
            every = self.all()
            for version in every[every.index(current) + 1 :] if current in every else ():
                self.discard(version)

    def tidy(self) -> None:
        """Take away what interrupted runs have left and all but the newest versions. Raises `PKIError`."""
        try:
            places = list(self.directory.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failure("list", error) from error
        for place in places:
            if place.name.startswith(_DRAFT):
                self._drop_draft(place)
        for version in self.all()[:-KEPT]:
            if version != self.current:
                self.discard(version)

    def all(self) -> list[Path]:
        """Return the versions, oldest first."""
        found = (place for place in self.directory.glob("v*") if _NAME.fullmatch(place.name))
        return sorted(found, key=lambda place: int(place.name[1:]))

    def _newest(self) -> int:
        versions = self.all()
        return int(versions[-1].name[1:]) if versions else 0

    def _drop_draft(self, place: Path) -> None:
        if not place.is_symlink():
            self.discard(place)
            return
        try:
            place.unlink()
        except OSError as error:
            raise self._failure("remove a draft from", error) from error

    def _failure(self, action: str, error: OSError) -> PKIError:
        return PKIError(
            f"cannot {action} {self.directory}: {error.strerror}; check owner, mode and space there, then run it again"
        )


def _overwrite(place: Path) -> None:
    """
    Overwrite a file before it is removed.

    On a disk that writes elsewhere (SSD, copy-on-write) the old bytes may stay; only an encrypted volume protects them there.
    """
    size = len(read_regular(place, _KEY_BYTES_LIMIT))
    descriptor = os.open(place, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, secrets.token_bytes(size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
