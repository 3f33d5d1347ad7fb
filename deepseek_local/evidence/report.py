"""What came out of a verification: one word, what was looked at, and one sentence for each thing that is not as it should be."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from deepseek_local.errors import ExitCode, TamperedError
from deepseek_local.evidence.log import Place


class Verdict(StrEnum):
    """The result in one word."""

    INTACT = "intact"
    """Everything that was looked at is what was written, and a signature says so."""
    INCOMPLETE = "incomplete"
    """Nothing was altered, but a part is missing or nothing vouches for it."""
    TAMPERED = "tampered"
    """Something is not what was written."""


EXIT_CODES = {
    Verdict.INTACT: ExitCode.OK,
    Verdict.INCOMPLETE: ExitCode.VERIFICATION_INCOMPLETE,
    Verdict.TAMPERED: ExitCode.VERIFICATION_FAILED,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be."""

    message: str
    """What is wrong, where, and what to do, in one sentence."""
    record: int | None = None
    """The first record concerned."""
    file: str | None = None
    """The segment where it stands, by the name of its uncompressed file."""
    offset: int | None = None
    """In bytes of the uncompressed file."""


def altered(record: int, place: Place, reason: str) -> Problem:
    """Say that a record is not what was written."""
    message = f"record {record} was altered, {place}: {reason}; keep the file for the investigation and restore it from its copy"
    return Problem(message, record, *place)


class AlteredError(TamperedError):
    """A record is not what was written, and it is known which."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found."""

    origin: str
    verdict: Verdict
    problems: tuple[Problem, ...]
    """None when intact; of a log that was tampered with the first one only."""
    first: int
    """First record that was read."""
    records: int
    """How many were read."""
    segments: int
    checkpoints: int
    """How many were checked, with signature and root."""
    tiles: int
    """How many were compared with the records."""
    has_tiles: bool
    """Whether there are any; without them the records are verified as well, but nothing can be proved to others."""
    sealed_records: int
    """Size of the newest checkpoint."""
    unsealed_records: int
    """Records behind it, which nothing vouches for yet."""
    pruned_records: int
    """Records at the beginning that are gone; their hashes were used instead."""
    unconfirmed_records: int
    """Records that their senders know to be missing."""
    macs_checked: bool

    def lines(self) -> Iterator[str]:
        """Tell it to people."""
        end = self.first + self.records
        yield f"{self.verdict}: {self.origin}, records {self.first} to {end - 1} in {self.segments} segments"
        yield from (f"  {problem.message}" for problem in self.problems)
        macs = "with their MACs" if self.macs_checked else "without their MACs (give --mac-key)"
        yield f"  {self.checkpoints} checkpoints {macs}, the newest for {self.sealed_records} records; tiles compared: {self.tiles}"
        if self.sealed_records and not self.has_tiles:
            yield "  all tiles are missing: the records vouch for themselves, but no proof can be made; start the sequencer, which makes tiles anew"
        if self.pruned_records:
            yield f"  {self.pruned_records} records were pruned, which is on record; only their hashes are left"
        if self.unsealed_records:
            yield f"  {self.unsealed_records} records are not yet sealed"
        if self.unconfirmed_records:
            yield f"  {self.unconfirmed_records} records never reached the log; their senders were told and did not go on"
