"""
Certificates that are refused although they are in order: a file with one serial number or fingerprint a line.

    # laptop lost on 24 November
    0A:1B:2C:3D
    sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A serial is hexadecimal, with or without colons, as `openssl x509 -serial` prints it; the fingerprint is the one in audit records. No file
is an empty list. A file with a line that is neither makes the whole list unusable: the line may be what had to be denied.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import IdentityError
from deepseek_local.files import read_regular

MAXIMUM_BYTES = 4_194_304
_SERIAL = re.compile(r"[0-9A-Fa-f]{1,2}(?::?[0-9A-Fa-f]{2}){0,19}|[0-9A-Fa-f]{1,40}")
"""At most 20 octets (RFC 5280, 4.1.2.2)."""
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Denied:
    """What the list names."""

    serials: frozenset[int] = frozenset()
    fingerprints: frozenset[str] = frozenset()

    def names(self, serial: int, fingerprint: str) -> bool:
        """Whether a certificate is on the list."""
        return serial in self.serials or fingerprint in self.fingerprints


def read(path: Path) -> Denied:
    """Read the list; empty where there is no file. Raises `IdentityError` if it cannot be understood as a whole."""
    try:
        content = read_regular(path, MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        return Denied()
    except OSError as error:
        raise IdentityError(
            f"the deny-list {path} cannot be read ({error.strerror}); check its type, owner and mode"
        ) from error
    if len(content) > MAXIMUM_BYTES:
        raise IdentityError(f"the deny-list {path} has more than {MAXIMUM_BYTES} bytes; drop what has expired")
    return parse(str(path), content)


def parse(file: str, content: bytes) -> Denied:
    """Read the lines. Raises `IdentityError` with the place of the first one that is neither serial nor fingerprint."""
    serials: set[int] = set()
    fingerprints: set[str] = set()
    for number, line in enumerate(content.split(b"\n"), 1):
        word = line.partition(b"#")[0].strip().decode("utf-8", "replace")
        if not word:
            continue
        if _FINGERPRINT.fullmatch(word):
            fingerprints.add(word)
        elif _SERIAL.fullmatch(word):
            serials.add(int(word.replace(":", ""), 16))
        else:
            raise IdentityError(
                f"{file}:{number}: {word[:80]!r} is neither a serial number in hexadecimal nor sha256: and 64 digits; mend the line"
            )
    return Denied(frozenset(serials), frozenset(fingerprints))
