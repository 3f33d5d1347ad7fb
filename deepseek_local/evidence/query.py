"""
What is looked for in the log: conditions that must all hold.

Most lines are passed over as bytes, many at a time, and never decoded. The sequencer writes JSON in one way only (sorted keys, no spaces, escapes only
where they must be), so a record with a value contains the encoded value; what contains it is decoded and then decided exactly.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from deepseek_local.audit.record import Record

_TIMESTAMP_END = b'","v":1}\n'
"""What follows the timestamp in a record without later keys, which are nearly all. No text contains it, as its quotes would be escaped."""
_TIMESTAMP_KEY = b'"ts":"'
_TIMESTAMP = slice(-27 - len(_TIMESTAMP_END), -len(_TIMESTAMP_END))
_KEY_BEFORE = slice(_TIMESTAMP.start - len(_TIMESTAMP_KEY), _TIMESTAMP.start)

Values = Callable[[Record], Iterator[object]]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text, or with `*` at its end the beginning of one."""

    text: str

    def matches(self, value: object) -> bool:
        """Whether a value of a record is meant."""
        if not isinstance(value, str):
            return False
        return value.startswith(self.text[:-1]) if self.text.endswith("*") else value == self.text

    @property
    def encoded(self) -> bytes:
        """What the line of every record with such a value contains."""
        if self.text.endswith("*"):
            return msgspec.json.encode(self.text[:-1])[:-1]
        return msgspec.json.encode(self.text)


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold; what is None is not asked. Timestamps are written as records write them."""

    who: Pattern | None = None
    """Id of the subject, its credential, or the address of the peer."""
    what: Pattern | None = None
    """Kind, action, object or route."""
    request: Pattern | None = None
    decision: Pattern | None = None
    reason: Pattern | None = None
    model: Pattern | None = None
    tenant: Pattern | None = None
    digest: Pattern | None = None
    """Keyed digest of a prompt or an answer."""
    since: str | None = None
    """The first moment that counts."""
    until: str | None = None
    """The first moment that does not count any more."""

    def candidates(self) -> Callable[[bytes], Iterator[bytes]]:
        """Make a function that takes lines out of a block of them: all that match, and few others."""
        first, *others = [prefix + pattern.encoded for pattern, prefix, _ in self._conditions()] or [b"\n"]
        window = (self.since or "").encode(), (self.until or "~").encode()

        def find(block: bytes) -> Iterator[bytes]:
            end = 0
            while (place := block.find(first, end)) >= 0:
                start = max(block.rfind(b"\n", end, place) + 1, end)
                end = block.find(b"\n", place) + 1
                if not end:  # a torn line, which is no part of the log
                    return
                line = block[start:end]
                if _may_be_in(line, *window) and all(needle in line for needle in others):
                    yield line

        return find

    def matches(self, record: Record) -> bool:
        """Whether all conditions hold for a record."""
        moment = record.envelope.ts
        if (self.since and moment < self.since) or (self.until and moment >= self.until):
            return False
        return all(any(map(pattern.matches, values(record))) for pattern, _, values in self._conditions())

    def _conditions(self) -> Iterator[tuple[Pattern, bytes, Values]]:
        """Yield each pattern with the bytes that stand before it and the values that it is compared with."""
        asked: tuple[tuple[Pattern | None, bytes, Values], ...] = (
            (self.request, b'"req":', lambda record: _fields(record, "req")),
            (self.who, b"", _who),
            (self.decision, b'"dec":', lambda record: _fields(record, "dec")),
            (self.reason, b'"reason":', lambda record: _fields(record, "reason")),
            (self.tenant, b'"tenant":', lambda record: _fields(record, "tenant")),
            (self.model, b'"model":', lambda record: _members(record, "attr", "model")),
            (self.digest, b'"hmac":', _digests),
            (self.what, b"", _what),
        )
        for pattern, prefix, values in asked:
            if pattern is not None:
                yield pattern, prefix, values


def _may_be_in(line: bytes, since: bytes, until: bytes) -> bool:
    """Compare the timestamp where it stands at its usual place; elsewhere the record must be decoded."""
    if line.endswith(_TIMESTAMP_END) and line[_KEY_BEFORE] == _TIMESTAMP_KEY:
        return since <= line[_TIMESTAMP] < until
    return True


def _who(record: Record) -> Iterator[object]:
    yield from _members(record, "sub", "id", "kid")
    yield from _fields(record, "ip")


def _what(record: Record) -> Iterator[object]:
    yield str(record.envelope.kind)
    yield from _fields(record, "act", "obj", "route")


def _digests(record: Record) -> Iterator[object]:
    yield from _members(record, "prompt", "hmac")
    yield from _members(record, "answer", "hmac")


def _fields(record: Record, *names: str) -> Iterator[object]:
    return (record.fields.get(name) for name in names)


def _members(record: Record, field: str, *names: str) -> Iterator[object]:
    members = record.fields.get(field)
    if isinstance(members, Mapping):
        yield from (members.get(name) for name in names)
