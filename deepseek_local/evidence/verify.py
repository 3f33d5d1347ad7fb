"""
Verification: is the log what was written, and does a signature say so?

One pass over the records tells (`passage`); this is what goes before it: which part is read, and which signed sizes there are. What a
missing end, or a rest without a signature, mean is said in `conclusion`.

A log can be verified while it is written. The newest checkpoint is read first, then the list of all checkpoints as far as it is there, then
the records: each is written before what is read earlier, so what comes in meanwhile is never taken for a fault.

A window begins with what the tiles say of the records before it. That is no trust in the tiles: the next signed root covers them too.
"""

import heapq
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from deepseek_local.errors import IncompleteError, TamperedError
from deepseek_local.evidence import checkpoints, conclusion, running, window
from deepseek_local.evidence.checkpoints import Checkpoints, Stop
from deepseek_local.evidence.conclusion import End
from deepseek_local.evidence.growing import GrowingTree, Tiles
from deepseek_local.evidence.location import locate
from deepseek_local.evidence.log import segments
from deepseek_local.evidence.passage import Passage, WrongRootError
from deepseek_local.evidence.report import AlteredError, Problem, Report, Verdict
from deepseek_local.evidence.trust import Trust
from deepseek_local.evidence.window import Part, Window

_EVERYTHING = Window()


def verify(directory: Path, trust: Trust, asked: Window = _EVERYTHING, now_seconds: float | None = None) -> Report:
    """
    Verify a log, or a part of it, and report.

    `now_seconds` since 1970 is a wall clock that stands still, for records that wait for their checkpoint. Raises `AuditError` when something cannot be read
    or the window has no records; whatever was altered or is missing is in the report.
    """
    reading = _Reading(directory, trust, time.time() if now_seconds is None else now_seconds)
    try:
        reading.run(asked)
        problems = reading.conclude(time.time() if now_seconds is None else now_seconds)
        verdict = Verdict.INCOMPLETE if problems else Verdict.INTACT
    except AlteredError as error:
        problems, verdict = [error.problem], Verdict.TAMPERED
    except TamperedError as error:
        problems, verdict = [Problem(str(error))], Verdict.TAMPERED
    except IncompleteError as error:
        problems, verdict = [Problem(str(error))], Verdict.INCOMPLETE
    return reading.report(verdict, problems)


class _Reading:
    """One verification, as far as it has come."""

    def __init__(self, directory: Path, trust: Trust, began_seconds: float) -> None:
        self._directory = directory
        self._trust = trust
        self._began_seconds = began_seconds
        self._is_running = running.is_running(directory)
        self._signed = Checkpoints(directory, trust, limit_bytes=0)
        self._newest: Stop | None = None
        self._part = Part((), 0, 0)
        self._passage: Passage | None = None
        self._segments = 0
        self._since: int | str | None = None

    def run(self, asked: Window) -> None:
        """Read what was asked for. Raises `TamperedError`, `IncompleteError`, `AuditError`."""
        self._since = asked.since
        self._newest = checkpoints.newest(self._directory, self._trust)
        self._signed = Checkpoints(self._directory, self._trust)
        part = self._part = window.choose(asked, segments(self._directory))
        _check_numbers(part)
        tiles = Tiles(self._directory, self._newest.checkpoint.size if self._newest else 0)
        tree = GrowingTree(tiles, part.start if part.is_late else 0)
        passage = self._passage = Passage(tree, self._stops(asked.trusted, tree.size))
        try:
            if not part.is_late:
                passage.take_leaves(tiles, part.start)
            self._read(passage, part)
        except WrongRootError as error:
            raise locate(self._directory, tiles, error.stop, passage.sealed) from error

    def conclude(self, now_seconds: float) -> list[Problem]:
        """Return what is incomplete, after `run`. Raises `TamperedError`."""
        if self._passage is None:
            return []
        end = End(
            directory=self._directory,
            trust=self._trust,
            passage=self._passage,
            part=self._part,
            signed=self._signed,
            newest=self._newest,
            is_running=self._is_running,
            began_seconds=self._began_seconds,
        )
        return [*conclusion.problems(end, now_seconds), *self._unmet(self._passage.tree.size)]

    def _unmet(self, size: int) -> Iterator[Problem]:
        """Yield a problem when the log does not get as far as the record that was asked for."""
        if isinstance(self._since, int) and self._since >= size:
            yield Problem(
                f"record {self._since} was asked for, but the log ends before record {size}; ask for an earlier one, or find out what became of the rest"
            )

    def report(self, verdict: Verdict, problems: list[Problem]) -> Report:
        """Sum up."""
        passage, part = self._passage, self._part
        size = passage.tree.size if passage else part.start
        return Report(
            origin=self._trust.origin,
            verdict=verdict,
            problems=tuple(problems),
            first=part.start,
            records=max(0, size - part.start),
            segments=self._segments,
            checkpoints=self._signed.checked,
            tiles=passage.tree.compared if passage else 0,
            has_tiles=passage is not None and passage.tree.has_tiles,
            sealed_records=self._newest.checkpoint.size if self._newest else 0,
            unsealed_records=size - passage.sealed if passage and not part.is_cut else 0,
            pruned_records=0 if part.is_late else part.start,
            unconfirmed_records=passage.senders.unconfirmed_records if passage else 0,
            macs_checked=self._trust.first_mac_key is not None,
        )

    def _stops(self, trusted: Stop | None, start: int) -> Iterator[Stop]:
        """Merge all sizes that are signed for, in order; those before the window say nothing about it."""
        others = sorted((stop for stop in (self._newest, trusted) if stop), key=_size)
        return (stop for stop in heapq.merge(self._signed.read(start), others, key=_size) if _size(stop) >= start)

    def _read(self, passage: Passage, part: Part) -> None:
        """Read the wanted segments, and of a window as much of the next ones as there is to the next checkpoint."""
        for segment in part.segments[: part.wanted]:
            segment.check_twin()
            passage.read(segment)
            self._segments += 1
        wanted = passage.tree.size
        for segment in part.segments[part.wanted :]:
            if passage.sealed >= wanted:
                return
            passage.read(segment, until=wanted)


def _size(stop: Stop) -> int:
    return stop.checkpoint.size


def _check_numbers(part: Part) -> None:
    """Refuse a hole between segments, and another beginning than the first record. Raises `TamperedError`."""
    for segment, following in pairwise(part.segments):
        if following.number != segment.number + 1:
            missing = f"segment-{segment.number + 1:06d}.jsonl"
            raise TamperedError(f"{missing} is missing, but {following.name} is there; restore it from its copy")
    if part.segments and (part.segments[0].number == 1) != (part.start == 0):
        raise TamperedError(
            f"{part.segments[0].name} begins with record {part.start}, and record 0 begins segment-000001.jsonl; "
            "restore the segments from their copy"
        )
