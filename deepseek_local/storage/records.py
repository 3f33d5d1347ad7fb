"""
Records of what is done to volumes, kept until the audit log can take them: the log itself may lie on the volume.

A record is a line of a file on the host's own disk, durable before the thing happens that it tells of, where that can be. It goes into the
log as soon as the sequencer answers: at once while it runs, otherwise with `storage deliver`, which the unit of that name does after each
start. A line is struck out only after the log has acknowledged it. So a record can come twice and then has the same `attr.event`,
and none is lost: a line that a power cut tore becomes a `gap`.
"""

import errno
import fcntl
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deepseek_local.audit.admin import who
from deepseek_local.audit.client import append_once
from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError, StorageError
from deepseek_local.files import append_synced, make_directory

NAME = "records.jsonl"
_MODE = 0o700
_DELIVERED = b"#"
"""The first letter of a line that the log has acknowledged."""

_logger = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """One record that waits."""

    kind: Kind
    fields: dict[str, object]
    attr: dict[str, object]
    at_us: int
    """When it was made: microseconds since 1970, by the host's clock."""


class Records:
    """The file of one host, and the socket of the sequencer where one may run."""

    def __init__(self, directory: Path, socket: Path | None) -> None:
        self._directory = directory
        self._path = directory / NAME
        self._socket = socket

    def add(
        self, kind: Kind, action: str, uuid: str, attributes: Mapping[str, object], reason: str | None = None
    ) -> None:
        """Keep a record, durably, and deliver what waits if the log takes it. Raises `StorageError` when it cannot be kept."""
        fields: dict[str, object] = {
            "act": action,
            "obj": f"volume_{uuid}",
            "sub": {"id": who(), "src": "local"},
        }
        if reason is not None:
            fields["reason"] = reason
        attr = {**attributes, "event": secrets.token_hex(8)}
        line = msgspec.json.encode(Kept(kind, fields, attr, time.time_ns() // 1000)) + b"\n"
        try:
            with self._locked() as descriptor:
                _append(descriptor, line)
        except OSError as error:
            raise StorageError(
                f"what is done to the volume cannot be recorded in {self._path}: {error.strerror}; "
                "free some space there, or name another directory with --records"
            ) from error
        _logger.info("%s %s: %s, waits in %s", kind, action, reason or "done", self._path)
        if self._socket is not None and self._socket.exists():
            try:
                self.deliver(self._socket)
            except (AuditError, StorageError) as error:
                _logger.warning("the records of the volume wait in %s: %s", self._path, error)

    def waiting(self) -> int:
        """Count the records that wait. Raises `StorageError`."""
        try:
            lines = self._path.read_bytes().splitlines()
            return sum(not line.startswith(_DELIVERED) for line in lines)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unreadable(error) from error

    def deliver(self, socket: Path) -> int:
        """Give the log what waits, the oldest first, and return how many. Raises `AuditError` and `StorageError`; what was not taken waits on."""
        delivered = 0
        if not self._path.exists():
            return delivered
        try:
            with self._locked() as descriptor:
                offset = 0
                for line in _read(descriptor).splitlines(keepends=True):
                    if not line.startswith(_DELIVERED):
                        append_once(socket, *_request(line))
                        os.pwrite(descriptor, _DELIVERED, offset)  # in its place, because a full disk has no other
                        os.fdatasync(descriptor)
                        delivered += 1
                    offset += len(line)
                os.ftruncate(descriptor, 0)
        except OSError as error:
            raise self._unreadable(error) from error
        return delivered

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file for one program at a time; it is another file after each delivery, so the directory is what is locked."""
        if not self._directory.exists():
            make_directory(self._directory, _MODE)
        lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(self._path, flags, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", os.fspath(self._path))
                os.fsync(lock)
                yield descriptor
            finally:
                os.close(descriptor)
        finally:
            os.close(lock)

    def _unreadable(self, error: OSError) -> StorageError:
        return StorageError(
            f"the records that wait in {self._path} cannot be read or shortened: {error.strerror}; check its owner, mode and space, as root"
        )


def _read(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        stream.seek(0)
        return stream.read()


def _append(descriptor: int, line: bytes) -> None:
    """Write a whole line or none, apart from what a power cut tore before. Raises `OSError`."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
    try:
        append_synced(descriptor, b"\n" + line if torn else line)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def _request(line: bytes) -> tuple[Kind, dict[str, object]]:
    """Return what goes into the log: the record and when it was made, or that one was torn."""
    try:
        kept = msgspec.json.decode(line, type=Kept)
        made = datetime.fromtimestamp(kept.at_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError) as error:
        _logger.warning("a record of a volume cannot be read: %s", error)
        return Kind.GAP, {"count": 1, "reason": "a record of a volume was torn", "sub": {"id": who(), "src": "local"}}
    late = max(0, time.time_ns() // 1000 - kept.at_us)
    return kept.kind, {**kept.fields, "attr": {**kept.attr, "at": made}, "late_us": late}
