"""The lines of a log again, from any record on: for a tree that has to be built once more."""

from collections.abc import Iterator
from pathlib import Path

from deepseek_local.audit import segments
from deepseek_local.audit.record import RECORD_LIMIT, Record, parse
from deepseek_local.errors import AuditError


def lines(directory: Path, start: int) -> Iterator[bytes]:
    """Yield every whole line from record `start` on; torn tails are left out. Raises `AuditError` when record `start` is not there."""
    chosen: list[tuple[Path, int]] = []
    for number in reversed(segments.numbers(directory)):
        place = segments.path(directory, number)
        if (record := first(place)) is not None:
            chosen.append((place, record.envelope.seq))
            if record.envelope.seq <= start:
                break
    if chosen and chosen[-1][1] > start:
        raise AuditError(
            f"record {start} is needed to build the tree again, but the log begins with record {chosen[-1][1]}: "
            f"restore {directory / 'tlog'} from its copy"
        )
    for place, seq in reversed(chosen):
        yield from _lines(place, max(0, start - seq))


def first(place: Path) -> Record | None:
    """Return the first record of a segment; None when it has no whole line. Raises `AuditError`."""
    line = next(_lines(place, 0), None)
    try:
        return None if line is None else parse(line)
    except AuditError as error:
        raise AuditError(f"{place}: line 1: {error}; {segments.evidence(place.parent)}") from error


def _lines(place: Path, skip: int) -> Iterator[bytes]:
    """Yield the whole lines of a segment but the first `skip`."""
    try:
        with segments.open_to_read(place) as stream:
            while (line := stream.readline(RECORD_LIMIT)).endswith(b"\n"):
                if skip:
                    skip -= 1
                else:
                    yield line
    except segments.DAMAGE as error:
        raise segments.damaged(place, error) from error
    except OSError as error:
        raise segments.failure("read", place, error) from error
