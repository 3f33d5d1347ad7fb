"""
What it means how a log ends: cut off, not sealed yet, torn by a crash, or shown to others in an older state.

A crash leaves an end that the next start puts in order, and so does whoever throws an end away. Therefore such an end is never intact.

While the sequencer runs, records of the last seconds need no checkpoint yet, and a tile that just grows may be gone. What it is writing at
the moment gets the time to be finished. Nothing more is excused: what looks like a running sequencer may be somebody else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deepseek_local.errors import TamperedError
from deepseek_local.evidence import checkpoints
from deepseek_local.evidence.checkpoints import NAME, NEWEST, Checkpoints, Stop
from deepseek_local.evidence.passage import Passage
from deepseek_local.evidence.report import Problem
from deepseek_local.evidence.trust import Trust
from deepseek_local.evidence.window import Part
from deepseek_local.tlog.tiles import WIDTH

SEALING_SECONDS = 10.0
"""A running sequencer seals within a second; what is older than this is not waiting for it."""

_CLOCK_SECONDS = 1.0
"""A record that is further in the future than this is not one of a running sequencer of this host."""
_SETTLING_SECONDS = 2.0
_POLL_SECONDS = 0.01
_START = "start the sequencer, which puts it in order"


@dataclass(frozen=True, slots=True)
class End:
    """Everything that was read."""

    directory: Path
    trust: Trust
    passage: Passage
    part: Part
    signed: Checkpoints
    newest: Stop | None
    is_running: bool
    began_seconds: float
    """Since 1970, when the newest checkpoint was read."""


def problems(end: End, now_seconds: float) -> list[Problem]:
    """Return what is incomplete, after everything was read. Raises `TamperedError` for what is worse."""
    passage = end.passage
    passage.seals.check()
    if passage.stop is not None and (not end.part.is_cut or passage.sealed < passage.tree.size):
        raise TamperedError(_cut_off(passage, passage.stop))
    if passage.tree.wrong is not None:
        path = end.directory / "tlog" / passage.tree.wrong.path
        raise TamperedError(
            f"the tile {path} is not what the records say; keep it for the investigation, remove it and restart the sequencer"
        )
    passage.senders.end()
    found = [*_seals(end, now_seconds), *_losses(end)]
    return found if end.part.is_cut else [*found, *_ends(end), *_shown(end), *_pruned(end)]


def _cut_off(passage: Passage, stop: Stop) -> str:
    size, place = passage.tree.size, ""
    if passage.end is not None:
        place = f" at byte {passage.end.size} of {passage.end.segment}"
    return (
        f"{stop.where} was signed for {stop.checkpoint.size} records, but the log ends{place} before record {size}: "
        "restore what was cut off from its copy"
    )


def _seals(end: End, now_seconds: float) -> Iterator[Problem]:
    """Yield a problem when the last records have no checkpoint and are not waiting for one."""
    passage = end.passage
    if not passage.tree.size:
        yield Problem(f"{end.directory} has no records; name the directory of the audit log")
    elif passage.unsealed is not None:
        place, moment = passage.unsealed
        if end.is_running and _are_fresh(end, moment, now_seconds):
            return
        why = "the sequencer does not seal them: read its log" if end.is_running else _START
        count = passage.tree.size - passage.sealed
        yield Problem(
            f"{count} records from record {passage.sealed} on, {place}, are not yet sealed by a checkpoint; {why}",
            passage.sealed,
            *place,
        )


def _are_fresh(end: End, oldest: str, now_seconds: float) -> bool:
    """Whether records from this moment on may wait for the checkpoint after the one that was read."""
    try:
        first, last = (datetime.fromisoformat(moment).timestamp() for moment in (oldest, end.passage.newest))
    except (ValueError, OverflowError):
        return False
    earliest, latest = end.began_seconds - SEALING_SECONDS, now_seconds + _CLOCK_SECONDS
    return earliest < first < latest and earliest < last < latest


def _losses(end: End) -> Iterator[Problem]:
    senders, tree = end.passage.senders, end.passage.tree
    if senders.lost is not None:
        hole = senders.lost
        yield Problem(
            f"process {hole.pid} sent its records {hole.first} to {hole.last}, and they are not in the log before record {hole.seq}, "
            f"{senders.lost_records} records are missing so in all; ask who runs that process what it did then",
            hole.seq,
        )
    if tree.missing is not None and not (end.is_running and tree.missing.width < WIDTH):
        yield Problem(f"the tile {end.directory / 'tlog' / tree.missing.path} is missing; {_START}")


def _ends(end: End) -> Iterator[Problem]:
    """Yield a problem for each end of a segment that nothing speaks of."""
    last = end.passage.end
    if (extent := end.passage.seals.undeclared(last)) is not None:
        yield Problem(f"{extent.segment} was never declared closed; {_START}", file=extent.segment)
    if last is not None and last.tail_offset is not None and not _is_continued(end, last.tail_offset):
        yield Problem(
            f"{last.segment} ends within a line, with {last.tail_bytes} bytes at byte {last.tail_offset}; {_START}",
            end.passage.tree.size,
            last.segment,
            last.tail_offset,
        )


def _is_continued(end: End, offset: int) -> bool:
    """Whether the last line of the last segment was being written when it was read, and ends by now."""
    return _awaited(end, lambda: next(end.part.segments[-1].pieces(offset), b"").endswith(b"\n"))


def _awaited(end: End, has_come: Callable[[], bool]) -> bool:
    """Give a running sequencer the time to finish what it has begun; return whether it has."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    while end.is_running and time.monotonic() < deadline:
        if has_come():
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _shown(end: End) -> Iterator[Problem]:
    """Compare the checkpoint that is shown to others with the list of all."""
    last, path = end.signed.last, end.directory / NAME
    if end.newest and last and end.newest.checkpoint.size > last.checkpoint.size:
        raise TamperedError(f"{path} lacks the checkpoint that {end.newest.where} has; restore it from its copy")
    if end.signed.torn_bytes and not _awaited(end, end.signed.is_continued):
        yield Problem(f"{path} ends within a line, with {end.signed.torn_bytes} bytes; {_START}")
    if last is None:
        if end.newest is not None:
            raise TamperedError(f"{path} has no checkpoint, but {end.newest.where} has; restore it from its copy")
        return
    shown = _settled(end, last)
    if shown is None:
        yield Problem(f"{end.directory / NEWEST} is missing; {_START}")
    elif not _is_shown(shown, last) and shown.checkpoint.size <= last.checkpoint.size:
        yield Problem(
            f"{shown.where} is for {shown.checkpoint.size} records and not the newest, which {last.where} has; "
            f"find out who put it there, or after a crash {_START}"
        )


def _settled(end: End, last: Stop) -> Stop | None:
    """Return what is shown to others; a running sequencer gets the time to show what it has just listed."""
    shown, deadline = end.newest, time.monotonic() + _SETTLING_SECONDS
    while end.is_running and not (shown and _is_shown(shown, last)) and time.monotonic() < deadline:
        shown = checkpoints.newest(end.directory, end.trust)
        if shown and shown.checkpoint.size > last.checkpoint.size:
            break
        time.sleep(_POLL_SECONDS)
    return shown


def _is_shown(shown: Stop, last: Stop) -> bool:
    """Whether this is that checkpoint; witnesses may have signed it since."""
    return shown.note.text == last.note.text and set(last.note.signatures) <= set(shown.note.signatures)


def _pruned(end: End) -> Iterator[Problem]:
    if not end.part.is_late and end.part.start > end.passage.pruned_to + 1:
        yield Problem(
            f"the log begins with record {end.part.start} in {end.part.segments[0].name}, "
            "and no record says that those before were pruned; restore them from their copy",
            0,
        )
