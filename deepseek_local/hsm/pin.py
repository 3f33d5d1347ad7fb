"""
The PIN of a token, from a file that nobody else can read.

A systemd credential is such a file, too. Where systemd keeps it on a file system with access control lists, it belongs to root, and a list
lets the unit's user read it; the mode then shows the mask of that list in the place of the group's rights (acl(5)). So where the group
seems to have rights, the list decides: it may name us, and nobody else.
"""

import errno
import os
import struct
from pathlib import Path

from deepseek_local.errors import HSMError
from deepseek_local.files import is_private, read_regular

_BYTES_LIMIT = 256
_OTHERS = 0o007
_ACL = "system.posix_acl_access"
_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_USER, _GROUP_OBJECT, _GROUP, _OTHER = 0x02, 0x04, 0x08, 0x20
"""Tags of entries, as in linux/posix_acl.h; the owner's and the mask give nobody else anything."""


def read(place: Path) -> str:
    """Return the PIN, which is the file without the end of its line. Raises `HSMError`."""
    try:
        if not (is_private(place) or _is_a_credential(place)):
            raise HSMError(f"the PIN file {place} can be read by others; run: chmod 600 {place}")
        content = read_regular(place, _BYTES_LIMIT + 1)
    except OSError as error:
        raise HSMError(
            f"the PIN file {place} cannot be read: {error.strerror}; make it readable for this user alone, or mend pin-source"
        ) from error
    try:
        pin = content.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        pin = ""
    if not pin or len(content) > _BYTES_LIMIT or not pin.isprintable():
        raise HSMError(f"the PIN file {place} does not hold one line with a PIN; write nothing but the PIN into it")
    return pin


def _is_a_credential(place: Path) -> bool:
    """Whether only root, who owns the file, and we may read it, by an access control list."""
    status = place.stat()
    if status.st_uid != 0 or status.st_mode & _OTHERS:
        return False
    try:
        entries = list(_ACL_ENTRY.iter_unpack(os.getxattr(place, _ACL)[_ACL_HEADER.size :]))
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise
    granted = {(tag, uid) for tag, rights, uid in entries if rights and tag in (_USER, _GROUP_OBJECT, _GROUP, _OTHER)}
    return granted <= {(_USER, os.geteuid())}
