"""Find records: one pass over the bytes of a log, of which only the lines that can match are decoded."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from deepseek_local.audit.record import Record, parse
from deepseek_local.errors import AuditError
from deepseek_local.evidence.query import Query


class Match(NamedTuple):
    """A record that was looked for, and its exact line."""

    line: bytes
    record: Record


def find(blocks: Iterable[bytes], query: Query) -> Iterator[Match]:
    """
    Yield what matches in blocks of lines, in their order.

    A line that may match but is no record does not end the search. Raises `AuditError` after the last match when there were such lines.
    """
    candidates = query.candidates()
    unreadable, first = 0, None
    for line in chain.from_iterable(map(candidates, blocks)):
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
