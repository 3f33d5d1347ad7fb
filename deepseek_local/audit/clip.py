"""
What a stranger may leave in an audit record: short, printable, shallow values.

JSON already keeps one record on one line. `clean` protects those who read records in a terminal, a spreadsheet or a log viewer:
control characters, bidirectional overrides, zero-width characters and lone surrogates become U+FFFD, long values are cut, and every
place that was touched is named in the field `clip`, so that a reader knows what is not verbatim (CWE-117). Nothing is refused for what
it contains, because a record that is missing is worse than one that is clipped.
"""

from collections.abc import Mapping, Sequence

from deepseek_local.errors import AuditError

TEXT_LIMIT = 256
"""Characters of one string."""
KEY_LIMIT = 64
"""Characters of one key."""
ITEM_LIMIT = 64
"""Members of one object or list."""
DEPTH_LIMIT = 4
"""Levels of objects and lists, the record itself included."""
INTEGER_LIMIT = 2**63
"""Integers stay below this magnitude, so that every reader can hold them."""

FLAG = "clip"
"""The field that lists the dotted paths of clipped values."""


def clean(fields: Mapping[str, object]) -> dict[str, object]:
    """
    Return the fields as a record may hold them; doing it twice changes nothing.

    Floats become text, because readers round them differently. Raises `AuditError` for a value that JSON does not know.
    """
    marks: list[str] = []
    flagged = fields.get(FLAG)
    members = {key: value for key, value in fields.items() if key != FLAG} if flagged else fields
    cleaned = _members(members, "", 1, marks)
    if marks or flagged:
        cleaned[FLAG] = _flag(marks, flagged)
    return cleaned


def _members(members: Mapping[str, object], prefix: str, depth: int, marks: list[str]) -> dict[str, object]:
    cleaned: dict[str, object] = {}
    for key, value in members.items():
        if len(cleaned) == ITEM_LIMIT:
            marks.append(prefix.rstrip(".") or "*")
            break
        name = key if type(key) is str and len(key) <= KEY_LIMIT and key.isprintable() else _key(key, prefix, marks)
        # Nearly every value of a record takes the first way; this loop runs once per record on either side of the socket.
        if type(value) is str and len(value) <= TEXT_LIMIT and value.isprintable():
            cleaned[name] = value
        else:
            cleaned[name] = _value(value, prefix + name, depth, marks)
    return cleaned


def _key(key: object, prefix: str, marks: list[str]) -> str:
    if not isinstance(key, str):
        raise AuditError(f"audit field {prefix}{key!r} is named by a {type(key).__name__}; name it by text")
    return _text(key, KEY_LIMIT, prefix + key, marks)


def _value(value: object, place: str, depth: int, marks: list[str]) -> object:
    match value:
        case None | bool():
            return value
        case int() if -INTEGER_LIMIT < value < INTEGER_LIMIT:
            return value
        case int() | float():
            marks.append(place)
            return _number(value)
        case str():
            return _text(value, TEXT_LIMIT, place, marks)
        case Mapping() | list() | tuple():
            return _nested(value, place, depth + 1, marks)
        case _:
            kind = type(value).__name__
            raise AuditError(
                f"audit field {place} is a {kind}; records hold text, integers, booleans, null, lists and objects"
            )


def _nested(value: Mapping[str, object] | Sequence[object], place: str, depth: int, marks: list[str]) -> object:
    if depth > DEPTH_LIMIT:
        marks.append(place)
        return f"({len(value)} items)"
    if isinstance(value, Mapping):
        return _members(value, f"{place}.", depth, marks)
    if len(value) > ITEM_LIMIT:
        marks.append(place)
    return [_value(item, f"{place}.{index}", depth, marks) for index, item in enumerate(value[:ITEM_LIMIT])]


def _number(value: float) -> str:
    """Write a number as text; a huge integer only by its size, because its digits cost quadratic time."""
    return f"({value.bit_length()} bits)" if isinstance(value, int) else repr(value)


def _text(text: str, limit: int, place: str, marks: list[str]) -> str:
    kept = text[:limit]
    if not kept.isprintable():
        kept = "".join(character if character.isprintable() else "\ufffd" for character in kept)
    if kept != text:
        marks.append(place)
    return kept


def _flag(marks: Sequence[str], flagged: object) -> list[str]:
    """Join the new marks with those of an earlier cleaning; a `clip` of another shape is itself marked."""
    earlier = flagged if isinstance(flagged, list) else [FLAG] if flagged else []
    places = (place if isinstance(place, str) else FLAG for place in (*marks, *earlier))
    return sorted({_text(place, TEXT_LIMIT, "", []) for place in places})[:ITEM_LIMIT]
