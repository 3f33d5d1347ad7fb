"""The usage that we asked for is taken out of a stream, and nothing else, however the stream is cut."""

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.gateway.hidden_usage import HiddenUsage

USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"

words = st.text(max_size=12) | st.sampled_from(
    ['"choices":[],"usage":{', '\n\ndata: {"choices":[],"usage":{}}\n\n', "[DONE]", "\\"]
)


def event_of(word: str) -> bytes:
    data = {"id": "c", "choices": [{"index": 0, "delta": {"content": word}}]}
    return b"data: " + json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def cut(text: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(marks)]


def seen(parts: list[bytes]) -> tuple[bytes, bytes]:
    hidden = HiddenUsage()
    shown = b"".join(hidden.take(part, more=True) for part in parts) + hidden.take(b"", more=False)
    return shown, hidden.event


@settings(derandomize=True)
@given(st.lists(words, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_only_the_usage_is_missing_however_the_stream_is_cut(content: list[str], places: list[int]):
    events = b"".join(map(event_of, content))
    assert seen(cut(events + USAGE + DONE, places)) == (events + DONE, USAGE)


@settings(derandomize=True)
@given(st.lists(words, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_a_stream_without_it_passes_whole(content: list[str], places: list[int]):
    text = b": keep-alive\n\n" + b"".join(map(event_of, content)) + DONE
    assert seen(cut(text, places)) == (text, b"")


def test_what_never_became_an_event_is_shown_at_the_end():
    assert seen([b"data: {"]) == (b"data: {", b"")


def test_an_empty_list_of_choices_without_usage_is_shown():
    event = b'data: {"choices":[],"error":"x"}\n\n'
    assert seen([event]) == (event, b"")
