"""
What earlier starts left in the directory, and where the next one goes on.

Reading goes back from the newest segment until everything before it has been declared closed: usually that is one file, and one more for
every start that died before its first records were on disk.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deepseek_local.audit import segments, survey
from deepseek_local.audit.clock import Moment, parse_timestamp
from deepseek_local.audit.record import Kind, Record
from deepseek_local.audit.segments import Extent
from deepseek_local.audit.survey import Survey
from deepseek_local.audit.wire import Request
from deepseek_local.errors import AuditError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class History:
    """The segments that nobody has declared closed yet, oldest first, and the number of the one to begin."""

    unsealed: tuple[Survey, ...]
    next_segment: int

    @property
    def last(self) -> Record | None:
        """The last record of the log."""
        return next((each.last for each in reversed(self.unsealed) if each.last), None)

    @property
    def next_seq(self) -> int:
        """Where numbering goes on."""
        return self.last.envelope.seq + 1 if self.last else 0

    def moment(self, boot: str) -> Moment | None:
        """Return when the last record was written, unless the host has been booted since. Raises `AuditError`."""
        if self.last is None or self.last.envelope.boot != boot:
            return None
        envelope = self.last.envelope
        try:
            return Moment(parse_timestamp(envelope.ts), envelope.mono)
        except ValueError as error:
            raise AuditError(f"audit record {envelope.seq} has an unreadable time: {error}") from error

    def opening(self) -> list[Request]:
        """Say what was found: `recovery` for each torn tail, then `segment_sealed` for each segment."""
        torn = [
            Request(0, Kind.RECOVERY, {"segment": each.path.name, **asdict(each.tail)})
            for each in self.unsealed
            if each.tail
        ]
        return [*torn, *(sealing(each.extent) for each in self.unsealed)]


def sealing(extent: Extent) -> Request:
    """Declare a segment closed."""
    return Request(0, Kind.SEGMENT_SEALED, asdict(extent))


def read(directory: Path) -> History:
    """Survey the newest segments. Raises `AuditError` when the log cannot be continued."""
    for name in segments.strange(directory):
        _logger.warning("%s is no part of the log, although its name begins like one: move it away", directory / name)
    numbers = segments.numbers(directory)
    next_segment = numbers[-1] + 1 if numbers else 1
    if numbers and segments.is_empty(segments.path(directory, numbers[-1])):
        next_segment = numbers.pop()
    found: list[Survey] = []
    for place in (segments.path(directory, number) for number in reversed(numbers)):
        if found and place.name in found[-1].sealed:
            break
        found.append(survey.take(place))
    unsealed = tuple(reversed(found))
    _check_order(unsealed, expected=0 if unsealed and unsealed[0].path == segments.path(directory, 1) else None)
    return History(unsealed, next_segment)


def _check_order(surveys: Sequence[Survey], expected: int | None) -> None:
    """Refuse a hole in `seq` between segments."""
    for each in surveys:
        if each.extent.first is None or each.extent.last is None:
            continue
        if expected not in (None, each.extent.first):
            evidence = segments.evidence(each.path.parent)
            raise AuditError(f"{each.path} begins with record {each.extent.first} instead of {expected}; {evidence}")
        expected = each.extent.last + 1
