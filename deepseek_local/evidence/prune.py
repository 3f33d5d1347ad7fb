"""
Take segments out of the audit directory, after the log itself has a record of it; tiles and checkpoints stay, so that proofs still work.

`pruned.jsonl` says of each time what is gone: the first and last record, and name, digest and bytes of every segment. It is written before
the first file goes, oldest first, so that a crash leaves a shorter beginning than declared and never a hole.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from deepseek_local.errors import AuditError
from deepseek_local.evidence.log import Segment
from deepseek_local.evidence.opening import open_regular
from deepseek_local.evidence.prunable import Prunable
from deepseek_local.files import make_directory, sync_directory

NAME = "pruned.jsonl"
_SEALED_MODE = 0o440
_BLOCK_BYTES = 1 << 20


def extent(chosen: Sequence[Prunable]) -> tuple[int, int]:
    """Return the first and the last record of segments, of which one at least has records."""
    return (
        next(each.first for each in chosen if each.first is not None),
        next(each.last for each in reversed(chosen) if each.last is not None),
    )


def archive(chosen: Sequence[Prunable], destination: Path) -> None:
    """
    Copy segments, compressed or not, and read the copies back; what is there already must be the same.

    A directory that is made for it is closed to others, and so is a copy while it is written. Raises `AuditError`, with which nothing is lost.
    """
    try:
        if not destination.exists():
            make_directory(destination)
        for each in chosen:
            for path in files(each.segment):
                _copy(path, destination / path.name)
            _compare(each, Segment(destination, each.segment.number))
        sync_directory(destination)
    except OSError as error:
        raise AuditError(f"cannot archive to {destination}: {error.strerror}; nothing was pruned") from error


def remove(directory: Path, chosen: Sequence[Prunable], now: datetime, by: str) -> None:
    """Declare segments pruned and delete them. Raises `AuditError` when one cannot be, with those before it gone."""
    first, last = extent(chosen)
    line = {
        "by": by,
        "first": first,
        "last": last,
        "segments": [{"bytes": each.bytes, "digest": each.digest, "name": each.segment.name} for each in chosen],
        "ts": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    try:
        _append(directory / NAME, msgspec.json.encode(line) + b"\n")
        for each in chosen:
            _delete(each.segment)
    except OSError as error:
        raise AuditError(
            f"cannot prune {directory}: {error.strerror} ({error.filename}); "
            "take the append-only flag from the segment (chattr -a), run it as the owner, then try again"
        ) from error


def _delete(segment: Segment) -> None:
    """Delete the files of a segment in the order in which a compressor makes them, so that one at work cannot bring it back."""
    plain = segment.directory / segment.name
    compressed = f"{plain.name}.gz"
    for path in (plain, plain.with_name(f".{compressed}.new"), plain.with_name(compressed)):
        path.unlink(missing_ok=True)
    sync_directory(segment.directory)


def files(segment: Segment) -> list[Path]:
    """Return the files of a segment: plain, compressed, or after a crash both."""
    plain = segment.directory / segment.name
    return [path for path in (plain, plain.with_name(f"{plain.name}.gz")) if path.exists()]


def _append(path: Path, line: bytes) -> None:
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(line)
        stream.flush()
        os.fsync(descriptor)
    if is_new:
        sync_directory(path.parent)


def _copy(original: Path, copy: Path) -> None:
    """Copy a file under another name first, so that a copy is whole or not there."""
    if copy.exists():
        return
    draft = copy.with_name(f".{copy.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target, open_regular(original) as source:
        shutil.copyfileobj(source, target, _BLOCK_BYTES)
        target.flush()
        os.fchmod(target.fileno(), _SEALED_MODE)
        os.fsync(target.fileno())
    draft.rename(copy)


def _compare(original: Prunable, copy: Segment) -> None:
    copy.check_twin()
    digest = hashlib.sha256()
    for piece in copy.pieces():
        digest.update(piece)
    if f"sha256:{digest.hexdigest()}" != original.digest:
        raise AuditError(
            f"{copy.directory} holds another {original.segment.name}; name a directory of this log alone, nothing was pruned"
        )
