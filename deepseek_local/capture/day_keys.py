"""
A key for each day, kept beside the texts of that day and wrapped by the key of the site.

A data key is 32 random bytes under AES-256-GCM (NIST SP 800-38D) with the day as associated data, so that it unwraps for no other day. Under
one data key at most 2**32 texts may be sealed with random nonces (8.3); a day has fewer. Whoever destroys the file `key` of a day makes all
texts of that day unreadable.
"""

import contextlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deepseek_local.errors import AuditError
from deepseek_local.files import make_directory, read_regular, sync_directory, write_new

NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
_MAGIC = b"DSK1"
_WRAPPED_BYTES = len(_MAGIC) + NONCE_BYTES + KEY_BYTES + TAG_BYTES


class DayKeys:
    """The data keys below one directory."""

    def __init__(self, directory: Path, site_key: bytes) -> None:
        """`site_key` has 32 bytes."""
        self._directory = directory
        self._site = AESGCM(site_key)

    def ensure(self, day: str) -> AESGCM:
        """
        Return the key of a day, `2026-11-24`, after making it where there is none. Raises `AuditError` and `OSError`.

        It is read anew each time: under a key that was destroyed meanwhile nothing could be read again.
        """
        path = self._path(day)
        if not path.exists():
            self._make(path, day)
        return self.read(day)

    def _make(self, path: Path, day: str) -> None:
        make_directory(path.parent, 0o700)
        sync_directory(self._directory)  # also for a directory that another process has just made
        has_texts = any(not each.name.startswith(".") and each.name != path.name for each in path.parent.iterdir())
        if has_texts and not path.exists():  # in this order: another process may be faster, and its key comes first
            raise AuditError(
                f"{path} is missing, and the texts beside it are unreadable without it; restore it from a backup, "
                "or move the directory away"
            )
        with contextlib.suppress(FileExistsError):  # another process was faster, and its key counts
            write_new(path, self._wrapped(secrets.token_bytes(KEY_BYTES), day))

    def read(self, day: str) -> AESGCM:
        """Return the key of a day. Raises `AuditError` if it is not one of this site, and `OSError`."""
        path = self._path(day)
        wrapped = read_regular(path, _WRAPPED_BYTES + 1)
        if len(wrapped) != _WRAPPED_BYTES or not wrapped.startswith(_MAGIC):
            raise AuditError(f"{path} is no key of a day; restore it from a backup")
        nonce, sealed = wrapped[len(_MAGIC) :][:NONCE_BYTES], wrapped[len(_MAGIC) + NONCE_BYTES :]
        try:
            return AESGCM(self._site.decrypt(nonce, sealed, _bound_to(day)))
        except InvalidTag as error:
            raise AuditError(
                f"{path} was not wrapped by the key of this site, or was altered; restore both from a backup"
            ) from error

    def _wrapped(self, key: bytes, day: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return _MAGIC + nonce + self._site.encrypt(nonce, key, _bound_to(day))

    def _path(self, day: str) -> Path:
        return self._directory / day / "key"


def _bound_to(day: str) -> bytes:
    return f"deepseek-local capture key {day}".encode()
