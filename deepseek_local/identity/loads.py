"""
What proves identities is in files, and who may change them can let somebody in: each reading that is taken up or refused becomes one record.

The digest is of the very bytes that were understood, `cat FILES | sha256sum`, so that no change in between can hide behind it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from deepseek_local.files import read_regular

ReadFile = Callable[[Path, int], bytes]
"""Returns at most so many bytes of a file. Raises `OSError`."""


class Source(StrEnum):
    """Which files."""

    TOKENS = "tokens"
    ISSUERS = "issuers"
    DENY_LIST = "deny_list"
    KEY_SET = "key_set"


@dataclass(frozen=True, slots=True)
class Load:
    """One reading of the files."""

    source: Source
    digest: str | None = None
    """Of the files, when they are in force from now on; None where there is none, or they are refused."""
    before: str | None = None
    """Of the files that were in force last."""
    reason: str | None = None
    """Why they are refused; until that is mended, the source proves nobody."""
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What was `added`, `removed` and `changed`, by names that are no secret."""


Tell = Callable[[Load], None]


class Digesting:
    """Reads files and digests what it has read."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._is_empty = True

    def read(self, path: Path, maximum_bytes: int) -> bytes:
        """Read a file like `files.read_regular`."""
        content = read_regular(path, maximum_bytes)
        self._sum.update(content)
        self._is_empty = False
        return content

    @property
    def digest(self) -> str | None:
        """Return the digest of all that was read, in this order; None when no file was."""
        return None if self._is_empty else f"sha256:{self._sum.hexdigest()}"


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Say which names came, went, or mean something else now; no entry where there are none."""
    found = {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    return {how: tuple(sorted(names)) for how, names in found.items() if names}
