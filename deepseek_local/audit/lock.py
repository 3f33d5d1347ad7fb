"""
One writer for one log: a lock (flock(2)) on a file in the audit directory, which ends with the process.

Whoever can open a file can lock it. The directory itself is open to the auditors' group, so it would let them stop the next start.
"""

import fcntl
import os
from pathlib import Path

from deepseek_local.audit.record import LOCK_NAME
from deepseek_local.audit.segments import failure
from deepseek_local.errors import AuditError
from deepseek_local.files import give_to_owner, make_directory, sync_directory


def take(directory: Path) -> int:
    """Create the directory where needed, lock it and return a descriptor; to close it ends the lock. Raises `AuditError`."""
    place = directory / LOCK_NAME
    try:
        if not directory.exists():
            make_directory(directory)
    except OSError as error:
        raise failure("create", directory, error) from error
    try:
        descriptor = _open(place)
    except OSError as error:
        raise failure("open", place, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        reason = f"another audit sequencer writes to {directory}: stop it first, or use another directory"
        raise AuditError(reason) from error
    except OSError as error:
        os.close(descriptor)
        raise failure("lock", place, error) from error
    return descriptor


def _open(place: Path) -> int:
    """Open the file, or make it for the owner of the directory. Raises `OSError`."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(place, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(place, flags)
    try:
        give_to_owner(descriptor, place.parent)
        sync_directory(place.parent)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
