"""
The newest records of a log, and those to come, for people and programs that follow it; the sequencer is not asked and need not run.

A line without newline is still being written, or torn; it is left out.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from deepseek_local.evidence.log import Segment, segments


class Tail:
    """A place in the log that moves on with it, over rotations and through compressed segments."""

    def __init__(self, directory: Path, number: int = 0) -> None:
        self._directory = directory
        self._number = number
        self._offset = 0

    @classmethod
    def near(cls, directory: Path, seq: int) -> Self:
        """Stand at the beginning of the segment that holds record `seq`, or will. Raises `AuditError`."""
        for segment in reversed(segments(directory)):
            if (first := segment.first()) is not None and first <= seq:
                return cls(directory, segment.number)
        return cls(directory)

    def last(self, count: int) -> list[bytes]:
        """Return the newest lines, oldest first, and stand behind them. Raises `AuditError`."""
        found: list[bytes] = []
        for segment in reversed(segments(self._directory)):
            lines, end = _last_lines(segment, count - len(found))
            if not self._number:
                self._number, self._offset = segment.number, end
            found = lines + found
            if len(found) == count:
                break
        return found

    def new(self) -> Iterator[bytes]:
        """Yield the lines that were written since, over the ends of segments. Raises `AuditError`."""
        for segment in segments(self._directory):
            if segment.number < self._number:
                continue
            if segment.number > self._number:
                self._number, self._offset = segment.number, 0
            for line in segment.pieces(self._offset):
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                yield line


def _last_lines(segment: Segment, count: int) -> tuple[list[bytes], int]:
    """Return the last lines of a segment and the end of the last one."""
    kept: deque[bytes] = deque(maxlen=count)
    end = 0
    for line in segment.pieces():
        if not line.endswith(b"\n"):
            break
        end += len(line)
        kept.append(line)
    return list(kept), end
