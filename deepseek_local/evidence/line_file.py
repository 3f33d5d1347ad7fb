"""A file that grows by one line per exported record, each on disk before the export goes on."""

import os
from collections.abc import Sequence
from pathlib import Path

from deepseek_local.files import sync_directory

_BLOCK_BYTES = 65_536


class LineFile:
    """The file of that name; something else may rename it between two batches."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """Name it."""
        return str(self._path)

    def deliver(self, batch: Sequence[bytes]) -> None:
        """Append lines; a torn one, which an earlier failure left, is cut off first. Raises `OSError`."""
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            stream.truncate(_end_of_lines(descriptor))
            stream.seek(0, os.SEEK_END)
            stream.write(b"".join(batch))
            stream.flush()
            os.fsync(descriptor)
        if is_new:
            sync_directory(self._path.parent)

    def close(self) -> None:
        """Nothing is open."""


def _end_of_lines(descriptor: int) -> int:
    """Return the place behind the last newline."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(end - _BLOCK_BYTES, 0)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
