"""
Records that were lost between their sender and the sequencer: holes in what each process counts (`cseq`).

A process counts its records over all its connections, so two of them can overtake each other and a hole is certain only at the end. Some
holes are no loss, because the sender was told that its record is not in the log and did not go on:

- at a new connection (`client_hello`): what was under way on the old one was never confirmed;
- while the volume is full (`disk_full`): requests are refused;
- before the first record of a process: it may have begun while the sequencer was away, or have been forked.

A process that begins again at a lower number is another one with the same pid, and so is everything after another boot.
"""

from dataclasses import dataclass

_HOLES_LIMIT = 64
"""Holes of one process that may still be filled; a hostile one must not fill the memory of an auditor."""


@dataclass(slots=True)
class Hole:
    """Numbers of one process that have not come."""

    pid: int
    first: int
    last: int
    seq: int
    """Of the record that showed it."""
    is_told: bool
    """Whether the sender knows that these records are not in the log."""


class Senders:
    """What every process has counted so far."""

    def __init__(self) -> None:
        self.lost: Hole | None = None
        """The first hole that nobody was told of."""
        self.lost_records = 0
        self.unconfirmed_records = 0
        """Missing ones whose senders know it."""
        self._boot = ""
        self._last: dict[int, int] = {}
        """Of each pid; negative when its next hole is no loss."""
        self._holes: dict[int, list[Hole]] = {}
        self._is_full = False

    def take(self, pid: int, cseq: int, seq: int) -> None:
        """Take one record of a client."""
        last = self._last.get(pid, 0)
        if cseq == last + 1 and last > 0:  # nearly always
            self._last[pid] = cseq
        else:
            self._take_other(pid, cseq, seq, last)

    def hello(self, pid: int) -> None:
        """Take the first sign of a new connection."""
        if pid in self._last:
            self._last[pid] = -abs(self._last[pid])

    def start(self, boot: str) -> None:
        """Take the start of a sequencer; its clients are told by `hello`."""
        if boot != self._boot:
            self.end()
            self._last.clear()
        self._boot = boot

    def room(self, *, is_full: bool) -> None:
        """Take what the sequencer says about the room on its volume."""
        if self._is_full and not is_full:
            for pid in self._last:
                self.hello(pid)
        self._is_full = is_full

    def end(self) -> None:
        """Give up waiting for what may still fill a hole."""
        for holes in self._holes.values():
            for hole in holes:
                self._settle(hole)
        self._holes.clear()

    def _take_other(self, pid: int, cseq: int, seq: int, last: int) -> None:
        is_told, last = last < 0 or self._is_full, abs(last)
        if last and cseq > last:
            if cseq > last + 1:
                self._open(Hole(pid, last + 1, cseq - 1, seq, is_told))
        elif last and self._fill(pid, cseq):
            cseq = last
        elif last:
            for hole in self._holes.pop(pid, ()):
                self._settle(hole)
        self._last[pid] = cseq

    def _open(self, hole: Hole) -> None:
        holes = self._holes.setdefault(hole.pid, [])
        holes.append(hole)
        if len(holes) > _HOLES_LIMIT:
            self._settle(holes.pop(0))

    def _fill(self, pid: int, cseq: int) -> bool:
        holes = self._holes.get(pid, [])
        for index, hole in enumerate(holes):
            if hole.first <= cseq <= hole.last:
                rest = [
                    Hole(pid, first, last, hole.seq, hole.is_told)
                    for first, last in ((hole.first, cseq - 1), (cseq + 1, hole.last))
                    if first <= last
                ]
                holes[index : index + 1] = rest
                return True
        return False

    def _settle(self, hole: Hole) -> None:
        count = hole.last - hole.first + 1
        if hole.is_told:
            self.unconfirmed_records += count
        else:
            self.lost_records += count
            self.lost = self.lost or hole
