"""
The files of the log: `segment-000001.jsonl`, `segment-000002.jsonl`, … in one directory, with `.gz` behind the name once compressed.

A segment is created empty (O_EXCL), only ever appended to (O_APPEND), and never written again once its writer is gone: every start begins
a new one, so that a torn last line stays as evidence and the append-only flag of the file system (`chattr +a`, which forbids truncation)
can be used. The one exception is an empty file, which a start takes over: a full disk must not breed empty segments.

While it is written a segment has mode 0600, because only the sequencer's own user has business with it. Sealed it has 0440: the auditors'
group may read it, nobody may write it.

`append` returns after `fdatasync`. When either call fails the segment must not be used any more: the kernel reports a failed write-back
once and then calls the lost pages clean (fsync(2); Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
"""

import errno
import gzip
import hashlib
import itertools
import logging
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

from deepseek_local.errors import AuditError
from deepseek_local.files import append_synced, sync_directory

OPEN_MODE = 0o600
SEALED_MODE = 0o440
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a compressed segment raises when its bytes are not those that were written."""

_logger = logging.getLogger(__name__)
_NAME = re.compile(r"segment-([0-9]{6}|[1-9][0-9]{6,})\.jsonl(?:\.gz)?")
"""Only what `path` makes: a number that is written in another way, or with other digits, is none of a segment."""
_REMEDIES = {
    errno.ENOSPC: "free space on that volume",
    errno.EDQUOT: "raise the quota on that volume",
    errno.EROFS: "the volume is read-only: read the kernel log, repair it and mount it for writing",
    errno.EIO: "the disk is failing: read the kernel log and replace it",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.ELOOP: "remove the link that stands there",
    errno.EACCES: "give it to the user who runs the sequencer",
    errno.EPERM: "give it to the user who runs the sequencer",
}


@dataclass(frozen=True, slots=True)
class Extent:
    """What a segment holds, as `segment_sealed` declares it."""

    segment: str
    """Name of the file."""
    bytes: int
    digest: str
    """Of all its bytes."""
    records: int
    first: int | None
    """`seq` of the first record; None when there is none."""
    last: int | None


class Segment:
    """The one segment that is being written."""

    def __init__(self, place: Path, descriptor: int, first: int) -> None:
        self.path = place
        self.size = 0
        self._first = first
        self._records = 0
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._undigested: list[bytes] = []

    @classmethod
    def create(cls, place: Path, first: int) -> Self:
        """Begin a segment at record `first`, in a new file or in an empty one that a failed start left. Raises `AuditError`."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        try:
            abandoned = place.exists() and is_empty(place)
            descriptor = os.open(place, flags if abandoned else flags | os.O_CREAT | os.O_EXCL, OPEN_MODE)
            sync_directory(place.parent)
        except OSError as error:
            raise failure("create", place, error) from error
        return cls(place, descriptor, first)

    @property
    def extent(self) -> Extent:
        """What has been appended so far."""
        self.digest()
        digest = f"sha256:{self._digest.hexdigest()}"
        first, last = (self._first, self._first + self._records - 1) if self._records else (None, None)
        return Extent(self.path.name, self.size, digest, self._records, first, last)

    def append(self, lines: Sequence[bytes]) -> None:
        """Make lines durable. After an `AuditError` the segment is done for: do not call it again."""
        data = b"".join(lines)
        try:
            append_synced(self._descriptor, data)
        except OSError as error:
            raise failure("write", self.path, error) from error
        self._undigested.append(data)
        self.size += len(data)
        self._records += len(lines)

    def digest(self) -> None:
        """Digest what was appended, which nobody waits for: `extent` does it too."""
        for data in self._undigested:
            self._digest.update(data)
        self._undigested.clear()

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


def path(directory: Path, number: int) -> Path:
    """Return the name of a segment."""
    return directory / f"segment-{number:06d}.jsonl"


def compressed(place: Path) -> Path:
    """Return the name that a segment has after compression; while both are there they are one."""
    return place.with_name(f"{place.name}.gz")


def open_to_read(place: Path) -> BinaryIO:
    """Open a segment, compressed or not; offsets are those of its own bytes. Raises `OSError`."""
    try:
        return place.open("rb")
    except FileNotFoundError:
        return cast("BinaryIO", gzip.open(compressed(place), "rb"))


def numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments in order. Raises `AuditError` when one is missing in between."""
    found = _listed(directory)
    if _hole(found) is not None:  # a listing can miss a segment that is just getting its compressed name
        found = _listed(directory)
    if (missing := _hole(found)) is not None:
        later = next(number for number in found if number > missing)
        raise AuditError(
            f"{path(directory, missing)} is missing, but {path(directory, later).name} exists; {evidence(directory)}"
        )
    return found


def strange(directory: Path) -> list[str]:
    """Return the names that look like those of segments and are none. Raises `AuditError`."""
    return sorted(name for name in _names(directory) if name.startswith("segment-") and not _NAME.fullmatch(name))


def _listed(directory: Path) -> list[int]:
    return sorted({int(match[1]) for name in _names(directory) if (match := _NAME.fullmatch(name))})


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir()]
    except OSError as error:
        raise failure("list", directory, error) from error


def _hole(found: Sequence[int]) -> int | None:
    """Return the first number that is missing in between."""
    return next((one + 1 for one, following in itertools.pairwise(found) if following != one + 1), None)


def is_empty(place: Path) -> bool:
    """Whether a start failed before it could write anything here. Raises `AuditError`."""
    try:
        return not compressed(place).exists() and place.stat().st_size == 0
    except OSError as error:
        raise failure("examine", place, error) from error


def seal(place: Path) -> None:
    """
    Take the right to write from everybody.

    The kernel refuses this for a file with the append-only flag, which protects more than the mode does, so a refusal is only logged.
    """
    try:
        place.chmod(SEALED_MODE)
    except OSError as error:
        _logger.warning("%s keeps its mode: %s", place, error.strerror)


def failure(action: str, place: Path, error: OSError) -> AuditError:
    """Say what the system refused and what an operator can do about it."""
    number = error.errno or 0
    name = errno.errorcode.get(number, "unknown error")
    return AuditError(
        f"cannot {action} {place}: {error.strerror} ({name}); {_REMEDIES.get(number, 'read the kernel log')}, then try again"
    )


def damaged(place: Path, error: Exception) -> AuditError:
    """Say that a compressed segment cannot be read."""
    return AuditError(f"{compressed(place)} cannot be uncompressed ({error}); {evidence(place.parent)}")


def evidence(directory: Path) -> str:
    """Tell what to do with a log that cannot be continued."""
    return (
        "the log was altered or the disk is failing: restore the file from its copy, or move "
        f"{directory} and its keys aside as they are, for the investigation, and start with an empty directory"
    )
