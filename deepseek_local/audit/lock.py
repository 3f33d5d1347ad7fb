"""One writer for one log: a lock on the audit directory, which ends with the process."""

import fcntl
import os
from pathlib import Path

from deepseek_local.audit.segments import failure
from deepseek_local.errors import AuditError
from deepseek_local.files import make_directory, sync_directory


def take(directory: Path) -> int:
    """Create the directory where needed, lock it and return a descriptor; to close it ends the lock. Raises `AuditError`."""
    try:
        if not directory.exists():
            make_directory(directory)
            sync_directory(directory.parent)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise failure("open", directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        reason = f"another audit sequencer writes to {directory}: stop it first, or use another directory"
        raise AuditError(reason) from error
    except OSError as error:
        os.close(descriptor)
        raise failure("lock", directory, error) from error
    return descriptor
