"""
The front door's deny-list gets another serial number: what is on it is refused with the next request, before any revocation list is signed.

The file belongs to people, too: their lines and comments stay. How it is read is said in `identity.denied`.
"""

import os
from datetime import datetime
from pathlib import Path

from deepseek_local.errors import PKIError
from deepseek_local.files import lock, read_regular, write_atomic
from deepseek_local.identity import denied

_NEW_FILE_MODE = 0o640


def add(place: Path, serial: int, remark: str, now: datetime) -> bool:
    """Deny a certificate, durably; False where it is denied already. Raises `PKIError`, and `IdentityError` for an unusable list."""
    try:
        descriptor = lock(place)
        try:
            if serial in denied.read(place):
                return False
            content = read_regular(place, denied.MAXIMUM_BYTES) if place.exists() else b""
            mode = place.stat().st_mode & 0o777 if content else _NEW_FILE_MODE
            head = content if not content or content.endswith(b"\n") else content + b"\n"
            line = f"{serial:x}  # {remark}, {now:%Y-%m-%dT%H:%M:%SZ}\n"
            write_atomic(place, head + line.encode(), mode, keep_owner=True)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PKIError(
            f"the deny-list {place} cannot be written: {error.strerror}; check owner, mode and space there"
        ) from error
    return True
