"""
Which part of a log is verified: all of it, or whole segments around what somebody asks for.

A window is widened to whole segments, because that is where reading can begin. By time they are chosen after the first record of each; the
order of the log is that of its records, so after the wall clock was set back a window may be wider than it had to be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from deepseek_local.errors import AuditError
from deepseek_local.evidence.checkpoints import Stop
from deepseek_local.evidence.log import Segment


class _Head(msgspec.Struct):
    seq: int
    ts: str


_decoder = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Window:
    """What somebody asks for; None is no limit. Moments are written as in records."""

    since: int | str | None = None
    """The first record, or the first moment."""
    until: int | str | None = None
    """The last record, or the first moment that does not count any more."""
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
    is_window: bool = False
    """Whether there is more at either side."""


def choose(window: Window, found: Sequence[Segment]) -> Part:
    """Find the segments of a window. Raises `AuditError` when it has none."""
    if not found:
        return Part((), 0, 0)
    heads = [_head(segment) for segment in found]
    begin, end = 0, len(found)
    since = window.since
    if since is None and window.trusted is not None:
        since = window.trusted.checkpoint.size
    for index, head in enumerate(heads):
        if head is None:
            continue
        if since is not None and _order(since)(head) <= since:  # type: ignore[operator]  # both are numbers or both are moments
            begin = index
        if window.until is not None and index and _is_behind(head, window.until):
            end = min(end, index)
    if begin >= end:
        raise AuditError(f"there are no records from {since} until {window.until}; ask for a later end")
    first = heads[begin]
    return Part(
        found[begin:],
        first.seq if first else 0,
        end - begin,
        is_late=begin > 0,
        is_window=begin > 0 or end < len(found),
    )


def _order(limit: int | str) -> Callable[[_Head], int | str]:
    return (lambda head: head.seq) if isinstance(limit, int) else (lambda head: head.ts)


def _is_behind(head: _Head, until: int | str) -> bool:
    return head.seq > until if isinstance(until, int) else head.ts >= until


def _head(segment: Segment) -> _Head | None:
    """Read the first record; None when it is none, which is for the verification to say."""
    line = next(segment.pieces(), b"")
    try:
        return _decoder.decode(line) if line.endswith(b"\n") else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
