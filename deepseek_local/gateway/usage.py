"""
Tokens that the engine says it used, read from the end of an answer.

OpenAI's answers carry `usage` beside the choices, in a stream in the last event before `[DONE]` when asked for; the Responses API puts it
into the final `response`; Anthropic's Messages API counts in `message_delta`, and what came from the prefix cache apart. Events without
`usage` are not parsed, and what is parsed is skipped rather than built: it costs less than a millisecond for a megabyte.
"""

from collections.abc import Iterable, Iterator
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
            usage = next(filter(None, map(_usage, _payloads(chunk))), None)
            if usage is not None:
                return _named(usage)
    return None


def _payloads(chunk: bytes) -> Iterator[bytes]:
    """Yield what may be JSON with usage in a chunk, the last first."""
    if chunk.startswith(b"{"):
        yield chunk
        return
    # In an event stream JSON never spans lines, so only a line can begin with `data: `.
    for line in reversed(chunk.split(b"\n")):
        if line.startswith(b"data: ") and b'"usage"' in line:
            yield line[6:]


def _usage(data: bytes) -> _Usage | None:
    try:
        answer = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return answer.usage or (answer.response.usage if answer.response else None)


def _named(usage: _Usage) -> dict[str, int]:
    cached = (usage.cache_read_input_tokens, *map(_cached, (usage.prompt_tokens_details, usage.input_tokens_details)))
    counts = {
        "in": usage.prompt_tokens if usage.prompt_tokens is not None else _asked(usage),
        "out": usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens,
        "cached": next((count for count in cached if count is not None), None),
    }
    return {name: count for name, count in counts.items() if count is not None}


def _asked(usage: _Usage) -> int | None:
    if usage.input_tokens is None:
        return None
    # Anthropic counts apart what was read from the cache and what was written to it.
    return usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)


def _cached(details: _Details | None) -> int | None:
    return details.cached_tokens if details is not None else None
