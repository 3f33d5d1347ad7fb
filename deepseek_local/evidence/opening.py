"""
How the files of a log are opened: as regular files and nothing else.

The sequencer makes no other, so a link, a pipe, a socket or a directory in the place of one was put there, and none of them may make the
verifier wait or lead it elsewhere.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from deepseek_local.errors import TamperedError

BLOCK_BYTES = 1 << 20

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS = frozenset((errno.ELOOP, errno.ENXIO))
"""What the kernel answers for a link and for a socket."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read. Raises `TamperedError` for what is no regular file, and `OSError`."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in _OTHERS:
            raise _foreign(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _foreign(path)
    return os.fdopen(descriptor, "rb", buffering=BLOCK_BYTES)


def read(path: Path, limit_bytes: int) -> bytes:
    """Return what a file of the log holds, at most so much of it. Raises `TamperedError`, and `OSError`."""
    with open_regular(path) as stream:
        return stream.read(limit_bytes)


def _foreign(path: Path) -> TamperedError:
    return TamperedError(
        f"{path} is no regular file, which the sequencer makes alone; keep it and restore the file from its copy"
    )
