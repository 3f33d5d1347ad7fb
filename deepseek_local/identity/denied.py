"""
Certificates that are refused although they are in order: a file with one serial number a line.

    # laptop lost on 24 November
    0A:1B:2C:3D
    53c1a0e2f7

A serial is hexadecimal, with or without colons: as audit records have it (`sub.kid`) and as `openssl x509 -serial` prints it. Fingerprints
would not do: whoever has a certificate can write its ECDSA signature in a second way and get another fingerprint for the same certificate.

No file is an empty list. A line that cannot be understood makes the whole list unusable: it may be what had to be denied.
"""

import re
from pathlib import Path

from deepseek_local.errors import IdentityError
from deepseek_local.files import read_regular
from deepseek_local.identity.loads import ReadFile

MAXIMUM_BYTES = 4_194_304
_SERIAL = re.compile(r"[0-9A-Fa-f]{1,40}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){1,19}")
"""At most 20 octets (RFC 5280, 4.1.2.2)."""


def read(path: Path, read_file: ReadFile = read_regular) -> frozenset[int]:
    """Return the denied serial numbers; none where there is no file. Raises `IdentityError` for a list that is unusable."""
    try:
        content = read_file(path, MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise IdentityError(
            f"the deny-list {path} cannot be read ({error.strerror}); check its type, owner and mode"
        ) from error
    if len(content) > MAXIMUM_BYTES:
        raise IdentityError(f"the deny-list {path} has more than {MAXIMUM_BYTES} bytes; drop what has expired")
    return parse(str(path), content)


def parse(file: str, content: bytes) -> frozenset[int]:
    """
    Read the lines. Raises `IdentityError` with the place of the first one that is no serial number.

    What is shown of it has no secret: a token that got here by mistake has its own behind the first 17 characters.
    """
    serials: set[int] = set()
    for number, line in enumerate(content.split(b"\n"), 1):
        word = line.partition(b"#")[0].strip().decode("utf-8", "replace")
        if not word:
            continue
        if not _SERIAL.fullmatch(word):
            raise IdentityError(
                f"{file}:{number}: {word[:16]!r} is no serial number in hexadecimal; mend the line, or put a # before it"
            )
        serials.add(int(word.replace(":", ""), 16))
    return frozenset(serials)
