"""
Checkpoints: the state of a log in three lines, as the text of a signed note (C2SP tlog-checkpoint).

    <origin: which log>
    <number of records>
    <root of the tree over them, in base64>

Lines may follow that mean something to the log alone; this one writes none.
"""

import re
from dataclasses import dataclass

from deepseek_local.errors import AuditError
from deepseek_local.tlog import strict_base64
from deepseek_local.tlog.tree import EMPTY_ROOT, HASH_BYTES

SIZE_LIMIT = 2**63
"""The number of records stays below this."""

_LEAST_LINES = 3
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself at one moment. Raises `AuditError` when that cannot be."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise AuditError(f"the checkpoint of {self.origin!r} has an empty line or one that is two; write it anew")
        if not 0 <= self.size < SIZE_LIMIT or len(self.root) != HASH_BYTES:
            raise AuditError(
                f"the checkpoint of {self.origin!r} has {self.size} records and a root of {len(self.root)} bytes; "
                f"it has 0 to {SIZE_LIMIT - 1} records and a root of {HASH_BYTES} bytes"
            )
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise AuditError(
                f"the checkpoint of {self.origin!r} has a root that is not that of a log without records; get the original again"
            )

    def text(self) -> str:
        """Write the text of the note, with its last newline."""
        return "\n".join((self.origin, str(self.size), strict_base64.encode(self.root), *self.extensions, ""))


def parse(text: str) -> Checkpoint:
    """Read the text of a note. Raises `AuditError` when it is not that of a checkpoint."""
    *lines, after = text.split("\n")
    if len(lines) < _LEAST_LINES or after:
        raise AuditError(
            f"{text[:200]!r} is not a checkpoint; it has three lines or more, the last one with a newline too"
        )
    origin, size, root, *extensions = lines
    if _SIZE.fullmatch(size) is None:
        raise AuditError(
            f"the checkpoint of {origin!r} has {size[:100]!r} records; this is a decimal number without leading zeros"
        )
    return Checkpoint(origin, int(size), strict_base64.decode(root), tuple(extensions))
