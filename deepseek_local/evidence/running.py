"""
Whether the sequencer of a log is at work: it holds a lock on a file in the audit directory, and the kernel lists all locks (proc_locks(5)).

Nobody tries to take the lock for this, since a sequencer that starts at that moment would be refused.
"""

from pathlib import Path

from deepseek_local.audit.record import LOCK_NAME

_LOCKS = Path("/proc/locks")


def is_running(directory: Path) -> bool:
    """Whether a process of this host keeps the log; False as well where that cannot be told."""
    try:
        inode = (directory / LOCK_NAME).stat().st_ino
        locks = _LOCKS.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return any(_holds(line.split(), inode) for line in locks)


def _holds(words: list[str], inode: int) -> bool:
    """`1: FLOCK  ADVISORY  WRITE 708 fd:01:1572873 0 EOF`; the device is left out, as some file systems have two numbers for it."""
    return "FLOCK" in words[1:2] and "WRITE" in words and any(word.endswith(f":{inode}") for word in words)
