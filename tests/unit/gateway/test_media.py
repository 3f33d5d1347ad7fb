"""Media come with the request, or the request is refused."""

from typing import Any

import pytest
from guarded import passes, refusal_of


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://elsewhere/a.png"}},
        {"type": "image_url", "image_url": "file:///etc/passwd"},
        {"image_url": "http://elsewhere"},
        {"type": "audio_url", "audio_url": {"url": "http://elsewhere"}},
        {"type": "video_url", "video_url": {"url": " data:,"}},
        {"type": "input_image", "image_url": "http://elsewhere"},
        {"type": "input_file", "file_url": "data:,"},
        {"type": "image_embeds", "image_embeds": "AAAA"},
        {"type": "prompt_embeds", "data": "AAAA"},
        {"image_pil": None},
        {"type": "text", "text": "t", "uuid": "of-somebody"},
        {"type": "image", "source": {"type": "url", "url": "http://elsewhere"}},
        {"type": "image", "source": {"url": "http://elsewhere"}},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url"}}]},
        {"type": "item_reference", "id": "r"},
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda part: {"messages": [{"role": "user", "content": ["text", part]}]},
        lambda part: {"messages": [[{"role": "user", "content": [part]}]]},
        lambda part: {"input": [{"role": "user", "content": [part]}]},
        lambda part: {"input": [{"type": "function_call_output", "output": [part]}]},
        lambda part: {"system": [part]},
        lambda part: {"query": {"content": [part]}},
        lambda part: {"documents": ["a", {"content": [part]}]},
    ],
)
def test_media_from_elsewhere_are_refused_wherever_they_stand(part: dict[str, Any], wrap: Any):
    refusal = refusal_of(wrap(part))
    assert refusal.reason == "field_refused"
    assert refusal.param in wrap(part)
    assert "elsewhere" not in refusal.message


@pytest.mark.parametrize(
    "extra", [{"type": "item_reference"}, {"output": [{"uuid": "u"}]}, {"source": {}}, {"uuid": 1}]
)
def test_a_message_of_one_text_is_looked_at_as_well(extra: dict[str, Any]):
    assert refusal_of({"input": [{"role": "user", "content": "text", **extra}]}).param == "input"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}]},
        {"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": "x"}}]}]},
        {"messages": [{"content": [{"type": "tool_use", "input": {"image_url": "https://elsewhere"}}]}]},
        {"documents": [{"title": "t", "file": "a.pdf", "uuid": "u"}]},
        {"images": ["data:image/png,x"]},
        {"metadata": {"uuid": "u"}},
    ],
)
def test_media_that_carry_themselves_pass(body: dict[str, Any]):
    passes(body)


def test_lists_of_addresses_are_looked_at_too():
    assert refusal_of({"images": ["data:,", "http://elsewhere"]}).param == "images"
    assert refusal_of({"videos": "http://elsewhere"}).param == "videos"
