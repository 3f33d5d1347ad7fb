"""The few file operations whose details matter: atomic replacement, private modes, durable directories."""

import os
import stat
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: bytes, mode: int = 0o600) -> None:
    """
    Replace `path` by `content` so that a reader sees the old or the new file, never a part, even after a power cut.

    The file gets `mode` before it becomes visible. Raises `OSError`.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable: a renamed or new file survives a power cut only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o750) -> None:
    """Create a directory and its parents; the last one gets exactly `mode`, whatever the umask says."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def is_private(path: Path) -> bool:
    """Whether nobody but the owner can read or write the file. Raises `OSError` when it cannot be examined."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
