"""
What a log sends to a witness: how far the witness is, the proof that the log went on from there, and its checkpoint (C2SP tlog-witness).

    old <size>
    <hash of the consistency proof in base64>
    …
    <empty line>
    <checkpoint, a signed note>
"""

import re
from dataclasses import dataclass
from typing import Self

from deepseek_local.errors import AuditError
from deepseek_local.tlog import checkpoint, note, strict_base64
from deepseek_local.tlog.checkpoint import SIZE_LIMIT, Checkpoint
from deepseek_local.tlog.note import Note
from deepseek_local.tlog.tree import HASH_BYTES

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
"""The media type of an answer that says how far the witness has seen the log."""
PROOF_LIMIT = 63
"""Hashes; no log that fits below `SIZE_LIMIT` needs more."""
BYTES_LIMIT = 65_536
"""Of the whole; a note with a hundred signatures of Ed25519 has less than a third."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Submission:
    """One request, read but not judged. Raises `AuditError` when the note is no checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint
    """What the note says."""

    @classmethod
    def of(cls, old_size: int, proof: tuple[bytes, ...], signed: Note) -> Self:
        """Put a note and its proof together. Raises `AuditError`."""
        return cls(old_size, proof, signed, checkpoint.parse(signed.text))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body. Raises `AuditError` for whatever the specification does not allow."""
        head, empty_line, below = body.partition(b"\n\n")
        if not empty_line or not head.isascii():
            raise AuditError(
                "the body has no empty line after the proof, or is not text; send `old SIZE`, the proof, an empty line and the checkpoint"
            )
        old, *proof = head.decode().split("\n")
        if len(proof) > PROOF_LIMIT:
            raise AuditError(f"the proof has {len(proof)} lines; it has at most {PROOF_LIMIT}")
        return cls.of(read_size(old, _OLD), tuple(map(_hash, proof)), note.parse(below))

    def encode(self) -> bytes:
        """Write the body."""
        lines = (f"old {self.old_size}", *map(strict_base64.encode, self.proof))
        return "\n".join((*lines, "", "")).encode() + self.note.encode()


def read_size(text: str, pattern: re.Pattern[str]) -> int:
    """Read a number of records. Raises `AuditError`."""
    match = pattern.fullmatch(text)
    if match is None or int(match[1]) >= SIZE_LIMIT:
        raise AuditError(f"{text[:100]!r} tells no number of records; write it in decimal without leading zeros")
    return int(match[1])


def _hash(line: str) -> bytes:
    value = strict_base64.decode(line)
    if len(value) != HASH_BYTES:
        raise AuditError(f"a line of the proof has {len(value)} bytes; a hash has {HASH_BYTES}")
    return value
