"""
Which part of a log is verified: all of it, or whole segments around what somebody asks for.

A window is widened to whole segments, because that is where reading can begin. By time they are chosen after the first record of each; the
order of the log is that of its records, so after the wall clock was set back a window may be wider than it had to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from deepseek_local.errors import AuditError
from deepseek_local.evidence.checkpoints import Stop
from deepseek_local.evidence.log import Number, Segment


class _Head(msgspec.Struct):
    seq: Number
    ts: str


_decoder = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Window:
    """What somebody asks for; None is no limit. Moments are written as in records."""

    since: int | str | None = None
    """The first record, or the first moment."""
    until: int | str | None = None
    """The last record, or the last moment."""
    trusted: Stop | None = None
    """A checkpoint from elsewhere: the log must continue it, and what it covers need not be read."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is read: these segments, and after them as much as it takes to get to a checkpoint."""

    segments: Sequence[Segment]
    start: int
    """The record that they begin with."""
    wanted: int
    """How many of them are wanted."""
    is_late: bool = False
    """Whether there are segments before."""
    is_cut: bool = False
    """Whether there are segments behind, beyond what is wanted."""


def choose(window: Window, found: Sequence[Segment]) -> Part:
    """Find the segments of a window. Raises `AuditError` when it has none."""
    begin, end = 0, len(found)
    since = window.since
    if since is None and window.trusted is not None:
        since = window.trusted.checkpoint.size
    if since is not None or window.until is not None:
        for index, segment in enumerate(found):
            head = _head(segment)
            if head is None:
                continue
            if since is not None and not _is_behind(head, since):
                begin = index
            if index and window.until is not None and _is_behind(head, window.until):
                end = min(end, index)
        if begin >= end:
            raise AuditError(f"there are no records from {since} until {window.until}; ask for a later end")
    return Part(found[begin:], _start(found[begin:]), end - begin, begin > 0, end < len(found))


def _start(segments: Sequence[Segment]) -> int:
    """Return the first record; a segment with nothing but a torn line has none."""
    if not segments or segments[0].number == 1:
        return 0
    return next((head.seq for segment in segments if (head := _head(segment)) is not None), 0)


def _is_behind(head: _Head, limit: int | str) -> bool:
    return head.seq > limit if isinstance(limit, int) else head.ts > limit


def _head(segment: Segment) -> _Head | None:
    """Read the first record; None when it is none, which is for the verification to say."""
    line = next(segment.pieces(), b"")
    try:
        return _decoder.decode(line) if line.endswith(b"\n") else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
