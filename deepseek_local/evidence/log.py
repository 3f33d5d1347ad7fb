"""
The records as they are stored, in order, each with the place where it stands.

Segments are called `segment-000001.jsonl`, `segment-000002.jsonl`, … and may be compressed, with `.gz` behind the name; an offset always
counts the bytes of the uncompressed segment. A program may compress a segment while it is read here, so its name is looked up when it is
opened. A crash can leave both files, which are one segment then.
"""

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import msgspec

from deepseek_local.audit.record import RECORD_LIMIT
from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence.opening import BLOCK_BYTES, open_regular
from deepseek_local.evidence.uncompressed import Uncompressed

Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""What a record may be numbered with, and count."""

_NAME = re.compile(r"segment-([0-9]{6}|[1-9][0-9]{6,})\.jsonl(?:\.gz)?")


class Place(NamedTuple):
    """Where a line begins."""

    segment: str
    """Name of the uncompressed file."""
    offset: int
    """In the bytes of the uncompressed file."""

    def __str__(self) -> str:
        """Write it for people."""
        return f"{self.segment} at byte {self.offset}"


class _Numbered(msgspec.Struct):
    seq: Number


_numbered = msgspec.json.Decoder(_Numbered)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log, compressed or not."""

    directory: Path
    number: int

    @property
    def name(self) -> str:
        """Name of the uncompressed file, which `segment_sealed` and `recovery` use too."""
        return f"segment-{self.number:06d}.jsonl"

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """
        Yield the lines from offset `start` on, with their newlines; what follows the last newline comes as it is, and so does each part of a line that is too long.

        Raises `AuditError` when the file cannot be read, `TamperedError` when it is no longer what a compressor wrote.
        """
        with self._open() as stream:
            while start:
                start -= len(stream.read(min(start, BLOCK_BYTES))) or start
            yield from iter(partial(stream.readline, RECORD_LIMIT + 1), b"")

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of many lines each, for those who look for some of them. Raises like `pieces`."""
        with self._open() as stream:
            while block := stream.read(BLOCK_BYTES):
                yield block if block.endswith(b"\n") else block + stream.readline(RECORD_LIMIT)

    def check_twin(self) -> None:
        """Raise `TamperedError` when it is there twice, plain and compressed, and not the same; `AuditError` when one cannot be read."""
        path = self.directory / self.name
        with self._reporting():
            try:
                with open_regular(path) as plain, _uncompressed(path) as compressed:
                    is_same = all(
                        compressed.read(len(block)) == block for block in iter(partial(plain.read, BLOCK_BYTES), b"")
                    )
                    is_same = is_same and not compressed.read(1)
            except FileNotFoundError:
                return
        if not is_same:
            raise TamperedError(
                f"{path} and {path.name}.gz are not the same; keep both for the investigation and restore the segment from its copy"
            )

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        """Open the file, and report what is wrong with it while it is read."""
        with self._reporting(), _opened(self.directory / self.name) as stream:
            yield stream

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        path = self.directory / self.name
        try:
            yield
        except (EOFError, zlib.error) as error:
            raise TamperedError(f"{path}.gz cannot be uncompressed ({error}); restore it from its copy") from error
        except OSError as error:
            raise AuditError(
                f"cannot read {path}: {error.strerror or error}; give yourself the right to read it, then try again"
            ) from error

    def first(self) -> int | None:
        """Return the `seq` of its first record, None when it has none. Raises `AuditError`."""
        for line in self.pieces():
            return seq_of(line) if line.endswith(b"\n") else None
        return None


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except FileNotFoundError:
        return _uncompressed(path)


def _uncompressed(path: Path) -> BinaryIO:
    return io.BufferedReader(Uncompressed(open_regular(path.with_name(f"{path.name}.gz"))), BLOCK_BYTES)


def segments(directory: Path) -> list[Segment]:
    """Return the segments in order, without a look at whether one is missing. Raises `AuditError` when the directory cannot be read."""
    # The listing of a large directory takes several calls, and misses a segment that gets its compressed name in between; but only once.
    names = [*_names(directory), *_names(directory)]
    numbers = {int(match[1]) for name in names if (match := _NAME.fullmatch(name))}
    return [Segment(directory, number) for number in sorted(numbers)]


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir()]
    except OSError as error:
        raise AuditError(f"cannot list {directory}: {error.strerror}; name the directory of the audit log") from error


def lines(directory: Path, since: int = 0) -> Iterator[tuple[Place, bytes]]:
    """
    Yield every complete line with its place, from record `since` on.

    A torn last line is left out, and nothing is checked: that is for `verify`. Raises `AuditError`.
    """
    for segment in _beginning_with(segments(directory), since):
        offset = 0
        skipping = since > 0
        for line in segment.pieces():
            if not line.endswith(b"\n"):
                break
            skipping = skipping and (seq_of(line) or 0) < since
            if not skipping:
                yield Place(segment.name, offset), line
            offset += len(line)


def blocks(directory: Path) -> Iterator[bytes]:
    """Yield the whole log in pieces of many lines each; what follows the last newline of a piece is a torn line. Raises `AuditError`."""
    return chain.from_iterable(segment.blocks() for segment in segments(directory))


def seq_of(line: bytes) -> int | None:
    """Return the number of a record; None when the line is none."""
    try:
        return _numbered.decode(line).seq
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _beginning_with(found: list[Segment], since: int) -> list[Segment]:
    """Leave out the segments before the one that has this record."""
    if since <= 0:
        return found
    later = len(found)
    while later > 1 and ((first := found[later - 1].first()) is None or first > since):
        later -= 1
    return found[max(later - 1, 0) :]
