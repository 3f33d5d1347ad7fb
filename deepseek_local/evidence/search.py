"""Find records: one pass over the lines of a log, of which only those that can match are decoded."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from deepseek_local.audit.record import Record, parse
from deepseek_local.errors import AuditError
from deepseek_local.evidence.query import Query


class Match(NamedTuple):
    """A record that was looked for, and its exact line."""

    line: bytes
    record: Record


def find(lines: Iterable[bytes], query: Query) -> Iterator[Match]:
    """
    Yield what matches, in the order of the log.

    A line that may match but is no record does not end the search. Raises `AuditError` after the last match when there were such lines.
    """
    may_match = query.prefilter()
    unreadable, first = 0, None
    for line in lines:
        if not may_match(line):
            continue
        try:
            record = parse(line)
        except AuditError as error:
            unreadable, first = unreadable + 1, first or error
            continue
        if query.matches(record):
            yield Match(line, record)
    if first is not None:
        raise AuditError(
            f"{unreadable} lines could not be searched, the first because {first}; run `audit verify`"
        ) from first
