"""
`checkpoints.jsonl`: every checkpoint that was ever signed, one a line, only ever appended to.

The place of a line is the index of the evolving key that belongs to it. What a line will be is durable before it is begun (see
`audit.seal`), so a torn one is completed and never cut: the file may carry the append-only flag.
"""

import os
from pathlib import Path

import msgspec

from deepseek_local.audit.segments import evidence, failure
from deepseek_local.errors import AuditError
from deepseek_local.files import append_synced, sync_directory

NAME = "checkpoints.jsonl"
MODE = 0o640

_BLOCK_BYTES = 65_536
"""More than two lines take."""
_encoder = msgspec.json.Encoder(order="sorted")


class Sealed(msgspec.Struct, frozen=True):
    """A checkpoint and its place."""

    i: int
    """From 0, without gaps."""
    note: str
    """The whole signed note."""

    def line(self) -> bytes:
        """Write the line."""
        return _encoder.encode(self) + b"\n"


_decoder = msgspec.json.Decoder(Sealed)


class CheckpointLog:
    """The file of one log; nobody else writes it meanwhile."""

    def __init__(self, directory: Path) -> None:
        """Open it, or make it. Raises `AuditError`."""
        self.path = directory / NAME
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
            sync_directory(directory)
            # See the disk, and not the memory that a process left which died before its `fdatasync`.
            os.fsync(self._descriptor)
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise failure("open", self.path, error) from error

    def last(self) -> tuple[Sealed | None, bytes]:
        """Return the newest checkpoint, and what stands behind it without newline. Raises `AuditError` for what is neither."""
        try:
            size = os.fstat(self._descriptor).st_size
            content = os.pread(self._descriptor, _BLOCK_BYTES, max(0, size - _BLOCK_BYTES))
        except OSError as error:
            raise failure("read", self.path, error) from error
        *lines, torn = content.split(b"\n")
        if not lines:
            return None, torn
        try:
            return _decoder.decode(lines[-1]), torn
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AuditError(
                f"the last line of {self.path} is no checkpoint: {error}; {evidence(self.path.parent)}"
            ) from error

    def append(self, data: bytes) -> None:
        """Make a line, or what is missing of one, durable. After an `AuditError` do not call it again."""
        try:
            append_synced(self._descriptor, data)
        except OSError as error:
            raise failure("write", self.path, error) from error

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)
