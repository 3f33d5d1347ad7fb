"""The runtime directory belongs to one `serve` at a time: a lock on the directory (flock(2)) that ends with the process, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from deepseek_local.errors import LaunchError


@contextlib.contextmanager
def owned(runtime: Path) -> Iterator[None]:
    """Hold the directory. Raises `LaunchError` if another `serve` holds it."""
    descriptor = os.open(runtime, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LaunchError(f"another `serve` runs in {runtime}; stop it first, or use another --home") from error
    try:
        yield
    finally:
        os.close(descriptor)
