"""
The request body as JSON, parsed once and strictly: what passes here the engine's own parser reads alike.

`json.loads`, which the engine uses, takes a byte order mark, UTF-16, NaN and Infinity; msgspec takes none of them, and neither numbers
that become infinite nor lone surrogates, as long as it decodes everything (skipped fields are not validated). Of two equal keys every
parser takes the last, and a filter on the way there may take the first (RFC 8259, 4), so they are refused at any depth; decision 0016.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec

from deepseek_local.access import Attribute
from deepseek_local.gateway.refusal import MALFORMED, RefusedError

MAXIMUM_DEPTH: Final = 128
"""Levels of arrays and objects; the engine answers 500 to what is nested so deeply that Python's stack ends."""

MAXIMUM_CONTAINERS: Final = 50_000
"""Arrays and objects of one body: what looks at each of them in Python holds up all other requests meanwhile."""

Name = Annotated[str, msgspec.Meta(max_length=256)]
"""Of a model: as long as a record holds it whole. The engine logs the name of one that it does not have."""

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Of 64 bits, which is what readers of a record take; JSON itself has no bound."""

Fields = Mapping[str, Any]


class _Known(msgspec.Struct, frozen=True):
    """Fields that decide; of another type they are refused, where the engine would guess."""

    model: Name | None = None
    stream: bool | None = None
    n: Number | None = None
    best_of: Number | None = None
    max_tokens: Number | None = None
    max_completion_tokens: Number | None = None
    max_output_tokens: Number | None = None


class Document(msgspec.Struct, frozen=True):
    """One JSON object, and what record, policy, guard and quota look at."""

    model: str | None = None
    stream: bool | None = None
    n: int | None = None
    best_of: int | None = None
    max_tokens: int | None = None
    """Largest of the three names under which the routes take the length of an answer."""
    messages: int | None = None
    """Messages of all conversations together."""
    prompts: int | None = None
    """Prompts, inputs or conversations that the request asks about at once."""
    byte_count: int = 0
    """Length of the body in bytes."""
    fields: Fields = {}
    """All fields as they were decoded; they hold prompts, so they are never shown."""

    def __repr__(self) -> str:
        """Show what a record may say, and no prompt."""
        return f"Document({self.attributes()})"

    def attributes(self) -> dict[str, Attribute]:
        """Return what the record may say about the request: the known fields that the client gave."""
        return {name: value for name in ATTRIBUTES if (value := getattr(self, name)) is not None}


ATTRIBUTES: Final = ("model", "stream", "n", "best_of", "max_tokens", "messages", "prompts")

_TEXTS: Final = frozenset(
    {
        *("prompt", "input", "inputs", "texts", "items", "documents", "questions"),
        *("query", "queries", "data_1", "data_2", "text_1", "text_2"),
    }
)
"""Fields that hold a prompt, or a list of them, on one route or another."""
_CONVERSATIONS: Final = frozenset({"messages", "input", "previous_input_messages"})
_CONTAINERS: Final = frozenset({dict, list})
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_decoder: Final = msgspec.json.Decoder()


def parse(body: bytes) -> Document:
    """Return the document. Raises `RefusedError` for a body that is not one JSON object, or has a field of a wrong type."""
    _check_size(body)
    try:
        fields = _decoder.decode(body)
        known = msgspec.convert(fields, _Known)
        repeated = has_repeated_keys(body, fields)
    except RecursionError as error:
        raise RefusedError(MALFORMED.because("it is nested too deeply")) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # These messages name places and types, never values.
        raise RefusedError(MALFORMED.because(str(error))) from error
    if _count_openings(body) > MAXIMUM_DEPTH and depth(fields) > MAXIMUM_DEPTH:
        raise RefusedError(MALFORMED.because(f"it is nested more than {MAXIMUM_DEPTH} levels deep"))
    if repeated:
        raise RefusedError(MALFORMED.because("it has the same key twice in one object"))
    return Document(
        model=known.model,
        stream=known.stream,
        n=known.n,
        best_of=known.best_of,
        max_tokens=_longest(known),
        messages=_count_messages(fields),
        prompts=_count_prompts(fields),
        byte_count=len(body),
        fields=fields,
    )


def has_repeated_keys(body: bytes, decoded: object) -> bool:
    """
    Whether an object in the body has two equal keys, of which the decoded value holds one.

    Without escaped colons every colon of the body is one that ends a key or stands inside a text, and the decoded value, written again,
    has exactly those of them that were kept. Counting is done in C; only a body with such an escape is parsed a second time.
    """
    # The lone byte is found at a speed at which a text of six bytes is not.
    if b"\\" in body and b"\\u003" in body:
        return _is_repetitive(body)
    return body.count(b":") != msgspec.json.encode(decoded).count(b":")


def _is_repetitive(body: bytes) -> bool:
    """Say the same of any body, slowly: as the parser of the standard library tells the pairs."""
    found = False

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal found
        members = dict(pairs)
        found = found or len(members) != len(pairs)
        return members

    json.loads(body, object_pairs_hook=note)
    return found


def _check_size(body: bytes) -> None:
    """Raise `RefusedError` for too many arrays and objects, before they are made: their count in the body, without its texts."""
    if len(body) <= MAXIMUM_CONTAINERS:
        return
    if _count_openings(body) > MAXIMUM_CONTAINERS and _count_openings(_TEXT.sub(b"", body)) > MAXIMUM_CONTAINERS:
        raise RefusedError(MALFORMED.because(f"it has more than {MAXIMUM_CONTAINERS} arrays and objects"))


def _count_openings(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def depth(value: object) -> int:
    """Return how many levels of arrays and objects a decoded value has; 0 for one that is neither."""
    levels = 0
    level = [value] if isinstance(value, dict | list) else []
    while level:
        levels += 1
        level = list(_containers_in(level))
    return levels


def _containers_in(level: Iterable[Any]) -> Iterator[Any]:
    for container in level:
        children = _children(container)
        # A long list of numbers is passed over in C.
        if not _CONTAINERS.isdisjoint(map(type, children)):
            yield from (child for child in children if type(child) in _CONTAINERS)


def _children(container: dict[str, Any] | list[Any]) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container


def _longest(known: _Known) -> int | None:
    lengths = (known.max_tokens, known.max_completion_tokens, known.max_output_tokens)
    return max((length for length in lengths if length is not None), default=None)


def _count_messages(fields: Fields) -> int | None:
    """Count the messages of one conversation (a list of objects) and of several (a list of such lists)."""
    count = 0
    for name in _CONVERSATIONS:
        value = fields.get(name)
        if isinstance(value, list):
            count += sum(map(_length_of_conversation, value))
    return count or None


def _length_of_conversation(entry: object) -> int:
    return len(entry) if isinstance(entry, list) and dict in map(type, entry) else type(entry) is dict


def _count_prompts(fields: Fields) -> int | None:
    most = 0
    if not _TEXTS.isdisjoint(fields):
        most = max(_texts_in(name, value) for name, value in fields.items() if name in _TEXTS)
    conversations = fields.get("messages")
    if isinstance(conversations, list):
        most = max(most, list(map(type, conversations)).count(list))
    return most or None


def _texts_in(name: str, value: object) -> int:
    """Count the prompts of a field: a text, a list of token ids and the messages of a conversation are one."""
    if value is None:
        return 0
    if isinstance(value, list):
        first = type(value[0]) if value else None
        return 1 if first is int or (first is dict and name == "input") else len(value)
    return len(value) if isinstance(value, dict) and name == "questions" else 1
