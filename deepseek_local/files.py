"""The few file operations whose details matter: atomic replacement, locks, private modes, durable directories, change notice."""

import errno
import fcntl
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


def write_atomic(path: Path, content: bytes, mode: int = 0o600, *, keep_owner: bool = False) -> None:
    """
    Replace `path` by `content` so that a reader sees the old or the new file, never a part, even after a power cut.

    The file gets `mode` before it becomes visible; with `keep_owner`, one that root writes belongs to whom it belonged, and a new one to
    whom the directory belongs. Raises `OSError`.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            if keep_owner:
                give_to_owner(stream.fileno(), path)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """
    Make a file of mode 0600 that appears complete and durable, or not at all; one that is there is never replaced.

    Raises `FileExistsError` for it, and `OSError`. What root makes belongs to the owner of the directory.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            give_to_owner(stream.fileno(), path)
        # A link, unlike a rename, never replaces what somebody else made in the meantime.
        os.link(draft, path)
    finally:
        draft.unlink()
    sync_directory(path.parent)


def give_to_owner(descriptor: int, path: Path) -> None:
    """
    Let what root has just made for `path` belong to the owner of `path`, or of its directory, so that the service can read it.

    Only for a file that the caller has made: one that was there could be a link to another user's. Raises `OSError`.
    """
    if os.geteuid() == 0:
        status = (path if path.exists() else path.parent).stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


def lock(path: Path) -> int:
    """
    Wait for the lock of a file that several programs replace, and return a descriptor; to close it ends the lock. Raises `OSError`.

    The lock is a file beside `path`, because `path` itself is another file after each change.
    """
    name = path.with_name(f".{path.name}.lock")
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600)
        give_to_owner(descriptor, path)
    except FileExistsError:
        descriptor = os.open(name, flags)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def read_regular(path: Path, maximum_bytes: int) -> bytes:
    """
    Return at most the first `maximum_bytes` of a file. Raises `OSError`, also for what is no regular file.

    An event loop may call it: opening a FIFO would wait for a writer, and a device would never end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(maximum_bytes)
    finally:
        os.close(descriptor)


def append_synced(descriptor: int, data: bytes) -> None:
    """Append to an open file and return when it is on disk. Raises `OSError`; then what is there is not known, and must not be trusted."""
    written = os.write(descriptor, data)
    while written < len(data):  # a full disk takes a part first and tells the reason at the next call
        written += os.write(descriptor, data[written:])
    os.fdatasync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable: a renamed or new file survives a power cut only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o750) -> None:
    """Create a directory and its parents, durably; the last one gets exactly `mode`, whatever the umask says. Raises `OSError`."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    for each in missing:
        sync_directory(each.parent)


def is_private(path: Path) -> bool:
    """Whether nobody but the owner can read or write the file. Raises `OSError` when it cannot be examined."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


def is_writable_by_all(path: Path) -> bool:
    """Whether any user of the host can change the file. Raises `OSError` when it cannot be examined."""
    return bool(path.stat().st_mode & stat.S_IWOTH)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file is written, replaced or given another mode; equal stamps mean the same content."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class Watch:
    """
    Tells whether files were changed, without a background task: it looks when asked, at most every `interval_seconds`.

    Between two looks an answer costs one reading of the clock, so that it can be asked for every request.
    """

    def __init__(
        self, paths: Sequence[Path], interval_seconds: float = 0.25, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = tuple(paths)
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._next_look = clock() + interval_seconds
        self._stamps = self._look()

    def stamps(self) -> tuple[Stamp | None, ...]:
        """Return one stamp per path; None where there is no file or it cannot be examined."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + self._interval_seconds
            stamps = self._look()
            # The same object as long as nothing changed: whoever compares it for every request compares no stamps.
            if stamps != self._stamps:
                self._stamps = stamps
        return self._stamps

    def _look(self) -> tuple[Stamp | None, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
