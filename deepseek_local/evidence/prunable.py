"""
Which segments may go: whole sealed ones from the beginning of the log, all of whose records are older than a given moment.

A segment is only given up if it is, byte for byte, what a later segment declares closed. One that is not is evidence.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deepseek_local.audit.record import Kind, Record, parse
from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence.log import Segment, segments

_OPENING_RECORDS = 256
"""The seals of earlier segments are among the first records of a segment."""


@dataclass(frozen=True, slots=True)
class Prunable:
    """A segment that may go."""

    segment: Segment
    digest: str
    """Of the uncompressed bytes, as its seal has it."""
    bytes: int
    first: int | None
    """`seq` of its first record; None when it holds a torn line only."""
    last: int | None
    newest: str | None
    """When the newest of its records was written."""


def plan(directory: Path, before: str) -> tuple[Prunable, ...]:
    """
    Return the segments whose records were all written before a moment, oldest first; the newest segment never is one.

    Raises `TamperedError` for a segment that differs from its seal, and `AuditError` for one without a seal or that cannot be read.
    """
    found = segments(directory)
    seals = {str(seal.fields.get("segment")): seal for segment in found for seal in _seals(segment)}
    chosen: list[Prunable] = []
    for segment in found[:-1]:
        if _oldest(segment) >= before:
            break
        segment.check_twin()
        prunable = _examine(segment)
        seal = seals.get(segment.name)
        if max(prunable.newest or "", seal.envelope.ts if seal else "") >= before:
            break
        _check(prunable, seal)
        chosen.append(prunable)
    while chosen and chosen[-1].last is None:  # a torn line alone goes with the records that follow it
        chosen.pop()
    return tuple(chosen)


def _seals(segment: Segment) -> Iterator[Record]:
    for line in islice(segment.pieces(), _OPENING_RECORDS):
        if b'"kind":"segment_sealed"' in line and line.endswith(b"\n"):
            record = parse(line)
            if record.envelope.kind == Kind.SEGMENT_SEALED:
                yield record


def _oldest(segment: Segment) -> str:
    """Return when the first record was written, or nothing, which is before any moment."""
    return next((parse(line).envelope.ts for line in segment.pieces() if line.endswith(b"\n")), "")


def _examine(segment: Segment) -> Prunable:
    """Read a whole segment. Raises `AuditError`."""
    digest, size = hashlib.sha256(), 0
    first: int | None = None
    last: int | None = None
    newest: str | None = None
    for line in segment.pieces():
        digest.update(line)
        size += len(line)
        if line.endswith(b"\n"):
            envelope = parse(line).envelope
            first = envelope.seq if first is None else first
            last = envelope.seq
            newest = max(newest or "", envelope.ts)
    return Prunable(segment, f"sha256:{digest.hexdigest()}", size, first, last, newest)


def _check(prunable: Prunable, seal: Record | None) -> None:
    place = prunable.segment.directory / prunable.segment.name
    if seal is None:
        raise AuditError(f"no record seals {place}, so nobody vouches for it; run `audit verify` and keep it")
    if (seal.fields.get("digest"), seal.fields.get("bytes")) != (prunable.digest, prunable.bytes):
        raise TamperedError(
            f"{place} is not what record {seal.envelope.seq} sealed, it has {prunable.bytes} bytes with {prunable.digest}; "
            "it was altered: run `audit verify` and keep it as evidence"
        )
