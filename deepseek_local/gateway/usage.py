"""
Tokens that the engine says it used, read from the end of an answer.

OpenAI's answers carry `usage` beside the choices, in a stream in the last event before `[DONE]` when asked for; the Responses API puts it
into the final `response`; Anthropic's Messages API counts in `message_delta`, and what came from the prefix cache apart. Events without
`usage` are not parsed, and what is parsed is skipped rather than built: it costs less than a millisecond for a megabyte.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

MAXIMUM_BYTES = 8_388_608


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None
    response: _Response | None = None


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Answer)


def tokens(chunks: Iterable[bytes]) -> dict[str, int] | None:
    """Return `in`, `out` and, of `in`, `cached`, as the first of these chunks tells that knows; None when none does."""
    for chunk in chunks:
        if b'"usage"' in chunk and len(chunk) <= MAXIMUM_BYTES:
            for payload in _payloads(chunk):
                if (usage := _usage(payload)) is not None:
                    return _named(usage)
    return None


def _payloads(chunk: bytes) -> list[bytes]:
    """Return what may be JSON with usage in a chunk, the last first."""
    if chunk.startswith(b"{"):
        return [chunk]
    # In an event stream JSON never spans lines, so only a line can begin with `data: `.
    lines = reversed(chunk.split(b"\n"))
    return [line[6:] for line in lines if line.startswith(b"data: ") and b'"usage"' in line]


def _usage(data: bytes) -> _Usage | None:
    try:
        answer = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return answer.usage or (answer.response.usage if answer.response else None)


def _named(usage: _Usage) -> dict[str, int]:
    asked = usage.prompt_tokens if usage.prompt_tokens is not None else _asked(usage)
    answered = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    cached = _cached(usage)
    counts = {} if asked is None else {"in": asked}
    if answered is not None:
        counts["out"] = answered
    if cached is not None:
        counts["cached"] = cached
    return counts


def _asked(usage: _Usage) -> int | None:
    if usage.input_tokens is None:
        return None
    # Anthropic counts apart what was read from the cache and what was written to it.
    return usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)


def _cached(usage: _Usage) -> int | None:
    if usage.cache_read_input_tokens is not None:
        return usage.cache_read_input_tokens
    for details in (usage.prompt_tokens_details, usage.input_tokens_details):
        if details is not None and details.cached_tokens is not None:
            return details.cached_tokens
    return None
