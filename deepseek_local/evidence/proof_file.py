"""
A proof that one record is in the log, as a file that needs nothing else but the public key (C2SP tlog-proof, version 1).

    c2sp.org/tlog-proof@v1
    extra <base64 of the record: its exact line with the newline>
    index <number of the record>
    <base64 of a hash, from the sibling of the leaf upwards>
    …

    <signed checkpoint>

The specification leaves `extra` to the application; with the record in it the file proves itself. Nothing in it is trusted for that: the
hash of the record must lead to the signed root. The file has one spelling, so what is read is written again byte for byte.
"""

import re
from dataclasses import dataclass

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.tlog import note as notes
from deepseek_local.tlog import strict_base64
from deepseek_local.tlog.note import BYTES_LIMIT, Note
from deepseek_local.tlog.tree import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
HASHES_LIMIT = 63
"""A tree with more levels has more records than a checkpoint can count."""

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class Proof:
    """What such a file says; whether it is true is for `proofs.check`."""

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    record: bytes | None = None
    """The exact line; None when it has to come from elsewhere."""

    def encode(self) -> bytes:
        """Write the file."""
        lines = [HEADER]
        if self.record is not None:
            lines.append(_EXTRA + strict_base64.encode(self.record))
        lines += [f"index {self.index}", *map(strict_base64.encode, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.note.encode()


def parse(data: bytes) -> Proof:
    """Read a file. Raises `TamperedError` when it is not one."""
    head, _, note = data[:BYTES_LIMIT].partition(b"\n\n")
    try:
        index, hashes, record = _head(head.decode("ascii").split("\n"))
        return Proof(index, hashes, notes.parse(note), record)
    except (AuditError, UnicodeDecodeError) as error:
        raise TamperedError(f"this is no proof: {error}; get the file again") from error


def _head(lines: list[str]) -> tuple[int, tuple[bytes, ...], bytes | None]:
    """Read what stands above the checkpoint. Raises `AuditError`."""
    header, *lines = lines
    if header != HEADER:
        raise AuditError(f"it begins with {header!r:.50} instead of {HEADER}")
    extra = lines.pop(0).removeprefix(_EXTRA) if lines and lines[0].startswith(_EXTRA) else None
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None or len(lines) > HASHES_LIMIT:
        raise AuditError("it does not say which record it is about, or has too many hashes")
    hashes = tuple(map(strict_base64.decode, lines))
    if any(len(each) != HASH_BYTES for each in hashes):
        raise AuditError(f"it has a hash that does not have {HASH_BYTES} bytes")
    return int(index[1]), hashes, None if extra is None else strict_base64.decode(extra)
