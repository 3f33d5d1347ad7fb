"""
Whether the sequencer of a log is at work: it holds a lock on a file in the audit directory, and the kernel lists all locks (proc_locks(5)).

Nobody tries to take the lock for this, since a sequencer that starts at that moment would be refused. A lock counts on that one file alone,
and only while nobody but its owner and root can open it: else whoever can would vouch for a sequencer that is not there.
"""

import os
import stat
from pathlib import Path

from deepseek_local.audit.record import LOCK_NAME

_LOCKS = Path("/proc/locks")
_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_ID = "mnt_id:"


def is_running(directory: Path) -> bool:
    """Whether a process of this host keeps the log; False as well where that cannot be told."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            place = f"{_device(descriptor)}:{status.st_ino}"
        finally:
            os.close(descriptor)
        is_private = stat.S_ISREG(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
        return is_private and any(_holds(line.split(), place) for line in _LOCKS.read_text("ascii").splitlines())
    except (OSError, ValueError, StopIteration):
        return False


def _device(descriptor: int) -> str:
    """
    Return the device of a file as the list of locks writes it, `fd:01`. Raises `OSError`, `ValueError`, `StopIteration`.

    It comes from the list of mounts (proc_pid_mountinfo(5)): stat(2) has another number for it on btrfs.
    """
    told = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii").split()
    mount = told[told.index(_MOUNT_ID) + 1]
    mounts = map(str.split, _MOUNTS.read_text("utf-8", "surrogateescape").splitlines())
    major, minor = next(words[2] for words in mounts if words[0] == mount).split(":")
    return f"{int(major):02x}:{int(minor):02x}"


def _holds(words: list[str], place: str) -> bool:
    """`1: FLOCK  ADVISORY  WRITE 708 fd:01:1572873 0 EOF`; one that only waits has `->` before its kind."""
    return words[1:2] == ["FLOCK"] and "WRITE" in words and place in words
