"""
The configuration where nginx reads it, and the file with the proxy's key beside it.

The directory belongs to root, and so must both files: whoever can write them makes root's nginx do what he likes. The configuration holds no
secret and may be read by all; the key may not.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import ProxyError
from deepseek_local.files import is_private, is_writable_by_all, read_regular, write_atomic
from deepseek_local.proxy.configuration import KEY_FILE, key_file

_BYTES_LIMIT = 4 * 1024 * 1024
_PUBLIC_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Installed:
    """What nginx reads: its main configuration, by its path."""

    configuration: Path

    @property
    def key(self) -> Path:
        """The file with the proxy's key."""
        return self.configuration.parent / KEY_FILE

    def write(self, text: str, key: bytes) -> None:
        """Replace both files, the key first. Raises `ProxyError`; then the configuration of before is still there."""
        try:
            write_atomic(self.key, key_file(key).encode("ascii"))
            write_atomic(self.configuration, text.encode("ascii"), _PUBLIC_MODE)
        except OSError as error:
            raise ProxyError(
                f"{error.filename or self.configuration} cannot be written: {error.strerror}; check owner, mode and space there"
            ) from error

    def differences(self, text: str) -> list[str]:
        """Return the lines by which the installed configuration differs from this one, as `diff -u` does. Raises `ProxyError`."""
        found = _read(self.configuration).decode("utf-8", "backslashreplace")
        pair = found.splitlines(), text.splitlines()
        return list(difflib.unified_diff(*pair, str(self.configuration), "as the profile says", lineterm="", n=1))

    def flaws(self, key: bytes | None) -> Iterator[str]:
        """Say what is wrong with owner, mode or content of the two files; `key` is the proxy's, None where there is none yet."""
        if _read(self.key) != (key_file(key).encode("ascii") if key else b""):
            yield f"{self.key} does not hold the proxy's key, so the front door believes no certificate; write it again"
        if not is_private(self.key):
            yield f"{self.key} can be read by others than its owner; chmod 600 it"
        if is_writable_by_all(self.configuration):
            yield f"{self.configuration} can be changed by everybody; chmod 644 it"


def _read(place: Path) -> bytes:
    try:
        return read_regular(place, _BYTES_LIMIT)
    except OSError as error:
        raise ProxyError(f"{place} cannot be read: {error.strerror}; install it with `deploy render --to`") from error
