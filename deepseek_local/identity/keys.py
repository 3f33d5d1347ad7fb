"""Secret keys in files: 32 random bytes that only the owner can read, made once and never changed."""

import contextlib
import secrets
from pathlib import Path

from deepseek_local.errors import IdentityError
from deepseek_local.files import is_private, read_regular, write_new

KEY_BYTES = 32

_REMEDY = "restore it from its copy: what was made with it, tokens or digests, counts with no other"


def read(path: Path) -> bytes:
    """Return the key. Raises `IdentityError` if it is missing, open to others, or not 32 bytes long."""
    try:
        if not is_private(path):
            raise IdentityError(f"the key {path} can be read by others; run: chmod 600 {path}")
        key = read_regular(path, KEY_BYTES + 1)
    except OSError as error:
        raise IdentityError(f"the key {path} cannot be read ({error.strerror}); {_REMEDY}") from error
    if len(key) != KEY_BYTES:
        raise IdentityError(f"the key {path} does not have {KEY_BYTES} bytes; {_REMEDY}")
    return key


def ensure(path: Path) -> bytes:
    """Return the key, after making it if there is none; of several that try at the same time, one makes it. Raises `IdentityError`."""
    if not path.exists():
        try:
            with contextlib.suppress(FileExistsError):
                write_new(path, secrets.token_bytes(KEY_BYTES))
        except OSError as error:
            raise IdentityError(f"the key {path} cannot be created ({error.strerror}); check the directory") from error
    return read(path)
