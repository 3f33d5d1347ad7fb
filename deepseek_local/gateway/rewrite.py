"""
The body for the engine: the very bytes that were checked, with what only we may say put in front.

    {"model":"m",…}  →  {"cache_salt":"…","stream_options":{"include_usage":true},"model":"m",…}

Nothing that the client sent is written anew, except where it already has a field of the name (`null`, or `stream_options` without
`include_usage`): two equal keys must not reach the engine, so the document is encoded again. Decision 0016.
"""

from collections.abc import Mapping

import msgspec

from deepseek_local.gateway.dialects import Dialect
from deepseek_local.gateway.documents import Document, Fields


class Prepared(msgspec.Struct, frozen=True):
    """What the engine gets of a request."""

    body: bytes | None
    """None where its route takes none."""
    hides_usage: bool = False
    """Whether the client must not see the usage that the engine was made to tell."""


def prepare(document: Document, body: bytes, dialect: Dialect, salt: str, cap: int | None) -> Prepared:
    """
    Return what the engine gets in place of a body that passed the guard.

    `cap` bounds an answer in tokens; a request that names no number gets it where the engine would give more.
    """
    additions: dict[str, object] = {}
    if dialect.salted_since is not None:
        additions["cache_salt"] = salt
    hides_usage = dialect.tells_usage and document.stream is True and not _asks_for_usage(document.fields)
    if hides_usage:
        additions["stream_options"] = _with_usage(document.fields.get("stream_options"))
    if cap is not None and dialect.has_answer and dialect.lengths and _is_unbounded(document, dialect, cap):
        additions[dialect.lengths[0]] = cap
    return Prepared(insert(body, document.fields, additions), hides_usage)


def default_length(document: Document, dialect: Dialect, room: int) -> int:
    """Return how long the engine lets an answer get for which the request names no number: its default, or all room that there is."""
    is_named = not document.fields.keys().isdisjoint(dialect.lengths)
    return room if dialect.default_length is None or is_named else dialect.default_length


def _is_unbounded(document: Document, dialect: Dialect, cap: int) -> bool:
    return document.max_tokens is None and default_length(document, dialect, cap + 1) > cap


def insert(body: bytes, fields: Fields, additions: Mapping[str, object]) -> bytes:
    """Return the JSON object with these fields; `fields` is what it decodes to."""
    if not additions:
        return body
    if not fields.keys().isdisjoint(additions):
        return msgspec.json.encode({**fields, **additions})
    after_brace = body.index(b"{") + 1
    added = msgspec.json.encode(additions)[:-1]
    return b"".join((added, b"," if fields else b"", memoryview(body)[after_brace:]))


def _asks_for_usage(fields: Fields) -> bool:
    options = fields.get("stream_options")
    # Of texts and numbers the engine reads some as false, and then nobody would know what a stream used.
    return isinstance(options, dict) and options.get("include_usage") is True


def _with_usage(options: object) -> dict[str, object]:
    """Turn on the usage of the whole answer; that of every chunk would show it, and without the other it was off."""
    if isinstance(options, dict) and options:
        return {**options, "include_usage": True, "continuous_usage_stats": False}
    return {"include_usage": True}
