"""
Sealed segments are compressed (gzip, RFC 1952) by a thread of the lowest priority, so that no record waits.

    segment-000001.jsonl → .segment-000001.jsonl.gz.new → segment-000001.jsonl.gz, and only then the plain file goes

The draft is read back from the disk and compared before it gets its name. A crash leaves a draft, which is written anew, or both files,
which are one segment. zlib works without the interpreter's lock. What fails is logged and tried again with the next segment: a log that is
not compressed is still a log.
"""

import gzip
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Self, cast

from deepseek_local.audit import segments
from deepseek_local.audit.segments import DAMAGE, SEALED_MODE, failure
from deepseek_local.errors import AuditError
from deepseek_local.files import sync_directory

_BLOCK_BYTES = 1 << 18
_LEVEL = 6
_NICE = 19

_logger = logging.getLogger(__name__)


class Compressor:
    """The thread; it ends with the `with` block, and leaves what it has not finished."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._ending = threading.Event()
        self._asked = 0
        self._thread = threading.Thread(target=self._work, name="compression")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._queue.put(None)
        self._thread.join()

    def below(self, number: int) -> None:
        """Let every segment with a smaller number be compressed, all of which must be sealed."""
        if number != self._asked:
            self._asked = number
            self._queue.put(number)

    def _work(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while (limit := self._queue.get()) is not None:
            self._compress_below(limit)

    def _compress_below(self, limit: int) -> None:
        try:
            for number in segments.numbers(self._directory):
                if number < limit and not self._ending.is_set():
                    compress(segments.path(self._directory, number), self._ending)
        except AuditError as error:
            _logger.warning("a segment stays uncompressed: %s", error)
        except (
            Exception
        ):  # whatever it is, the next segment is worth another try, and nobody would notice the end of the thread
            _logger.exception("a segment stays uncompressed")


def compress(place: Path, ending: threading.Event) -> None:
    """Replace a sealed segment by its compressed form, unless that is done or the end comes first. Raises `AuditError`."""
    if not place.exists():
        return
    final = segments.compressed(place)
    draft = place.with_name(f".{final.name}.new")
    try:
        try:
            _replace(place, draft, final, ending)
        finally:
            draft.unlink(missing_ok=True)
    except DAMAGE as error:
        raise AuditError(f"{draft} cannot be read back ({error}): the disk is failing, replace it") from error
    except OSError as error:
        raise failure("compress", place, error) from error


def _replace(place: Path, draft: Path, final: Path, ending: threading.Event) -> None:
    digest = _write(place, draft, ending)
    if ending.is_set():
        return
    if _digest(draft, ending) != digest:
        raise AuditError(f"{draft} does not hold what {place} does: the disk is failing, replace it")
    draft.replace(final)
    sync_directory(place.parent)
    place.unlink()
    sync_directory(place.parent)


def _write(place: Path, draft: Path, ending: threading.Event) -> bytes:
    """Compress into the draft and return the digest of what was read. The same bytes always give the same file."""
    digest = hashlib.sha256()
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SEALED_MODE)
    with os.fdopen(descriptor, "wb") as raw, place.open("rb") as source:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as target:
            for block in _blocks(source, ending):
                digest.update(block)
                target.write(block)
        raw.flush()
        os.fsync(raw.fileno())
        os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # read back from the disk and not from memory
    return digest.digest()


def _digest(draft: Path, ending: threading.Event) -> bytes:
    digest = hashlib.sha256()
    with gzip.open(draft, "rb") as source:
        for block in _blocks(cast("BinaryIO", source), ending):
            digest.update(block)
    return digest.digest()


def _blocks(source: BinaryIO, ending: threading.Event) -> Iterator[bytes]:
    while not ending.is_set() and (block := source.read(_BLOCK_BYTES)):
        yield block
