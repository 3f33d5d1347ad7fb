"""
Tokens that the engine says it used, read from the end of an answer.

OpenAI's answers carry `usage` beside the choices, in a stream in the last chunk before `[DONE]` when asked for; the Responses API puts it
into the final `response`; Anthropic's Messages API counts in `message_delta`. Long answers are not parsed: this must cost nothing.
"""

import msgspec

MAXIMUM_BYTES = 65_536


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None
    response: _Response | None = None


_decoder = msgspec.json.Decoder(_Answer)


def tokens(chunks: tuple[bytes, ...]) -> dict[str, int] | None:
    """Return `in` and `out` as the first of these chunks tells that knows; None when none does."""
    for chunk in chunks:
        if b'"usage"' in chunk and len(chunk) <= MAXIMUM_BYTES:
            usage = _usage(chunk)
            if usage is not None:
                return _named(usage)
    return None


def _usage(chunk: bytes) -> _Usage | None:
    # In an event stream JSON never spans lines, so only a line can begin with `data: `.
    data = chunk[6:] if chunk.startswith(b"data: ") else chunk.rpartition(b"\ndata: ")[2]
    try:
        answer = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return answer.usage or (answer.response.usage if answer.response else None)


def _named(usage: _Usage) -> dict[str, int]:
    asked = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
    answered = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    return {name: count for name, count in (("in", asked), ("out", answered)) if count is not None}
