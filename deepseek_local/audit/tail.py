"""
The newest records of a log, for people who watch it; the sequencer is not asked and need not run.

A line without newline is still being written, or torn; it is left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from deepseek_local.audit import segments
from deepseek_local.audit.clip import clean
from deepseek_local.audit.record import Record

_BLOCK_BYTES = 65_536


class Tail:
    """A place in the log that moves on with it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._offset = 0

    def last(self, count: int) -> list[bytes]:
        """Return the newest lines, oldest first, and stand behind them. Raises `AuditError`."""
        found: list[bytes] = []
        for number in reversed(segments.numbers(self._directory)):
            lines, end = _last_lines(segments.path(self._directory, number), count - len(found))
            if not self._number:
                self._number, self._offset = number, end
            found = lines + found
            if len(found) == count:
                break
        return found

    def new(self) -> Iterator[bytes]:
        """Yield the lines that were written since, over the ends of segments. Raises `AuditError`."""
        for number in segments.numbers(self._directory):
            if number < self._number:
                continue
            if number > self._number:
                self._number, self._offset = number, 0
            yield from self._rest(segments.path(self._directory, number))

    def _rest(self, place: Path) -> Iterator[bytes]:
        try:
            with place.open("rb") as stream:
                stream.seek(self._offset)
                for line in stream:
                    if not line.endswith(b"\n"):
                        return
                    self._offset += len(line)
                    yield line
        except OSError as error:
            raise segments.failure("read", place, error) from error


def _last_lines(place: Path, count: int) -> tuple[list[bytes], int]:
    """Read backwards until there are enough lines; return them and the end of the last one."""
    try:
        with place.open("rb") as stream:
            position, content = stream.seek(0, 2), b""
            while position and content.count(b"\n") <= count:
                step = min(position, _BLOCK_BYTES)
                position = stream.seek(position - step)
                content = stream.read(step) + content
    except OSError as error:
        raise segments.failure("read", place, error) from error
    *lines, unfinished = content.split(b"\n")
    kept = lines[len(lines) - min(count, len(lines)) :]
    return [line + b"\n" for line in kept], position + len(content) - len(unfinished)


def describe(record: Record) -> str:
    """Write a record for a terminal: when, which, what, and then the fields; cleaned once more, since a file can be tampered with."""
    envelope = record.envelope
    fields = " ".join(f"{name}={value}" for name, value in _flat("", clean(record.fields)))
    return f"{envelope.ts} {envelope.seq:>9} {envelope.kind:<14} pid={envelope.pid} {fields}".rstrip()


def _flat(prefix: str, members: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield (
                prefix + name,
                value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False),
            )
