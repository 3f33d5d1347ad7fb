"""
JSON Schemas, grammars and patterns of one request: how large they are together, and how deep a schema goes.

The engine compiles them before the first token, in the time of all others (`vllm/v1/structured_output`). A schema may also come as a text,
and tools also inside messages, as DeepSeek's templates and Anthropic's `tool_addition` take them.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from deepseek_local.gateway.documents import Fields, depth

WRAPPERS: Final = {"response_format": 2, "text": 2, "output_config": 2, "structured_outputs": 1}
"""Fields that hold a schema, and how many levels are wrapped around it."""
_TOOL_WRAPPERS: Final = 2
_TEXTS: Final = ("json", "structural_tag")
"""Parts of `structured_outputs` that may be JSON in a text."""
_OWN: Final = ("function", "custom", None)


def tools(fields: Fields) -> list[Any]:
    """Return all tools: of the request, of its messages, and of their content."""
    found = _listed(fields.get("tools"))
    for message in _messages(fields.get("messages")):
        if "tools" in message:
            found += _listed(message["tools"])
        if isinstance(message.get("content"), list):
            found += _added(message["content"])
    return found


def is_own(tool: object) -> bool:
    """Whether the client runs the tool itself; others would be run by the engine or by a server that the request names."""
    return isinstance(tool, dict) and tool.get("type") in _OWN


def size(fields: Fields, offered: list[Any]) -> int:
    """Return how many bytes of JSON the schemas have together."""
    carried = [fields[name] for name in WRAPPERS if fields.get(name) is not None]
    return sum(len(msgspec.json.encode(value)) for value in (*carried, *offered))


def deepest(fields: Fields, offered: list[Any]) -> int:
    """Return the levels of the deepest schema. Raises `msgspec.DecodeError` for a text that should be JSON and is not."""
    carried = [depth(fields[name]) - wrappers for name, wrappers in WRAPPERS.items() if name in fields]
    written = [depth(msgspec.json.decode(text)) for text in _texts(fields.get("structured_outputs"))]
    return max((*carried, *written, *(depth(tool) - _TOOL_WRAPPERS for tool in offered)), default=0)


def _messages(value: object) -> Iterator[dict[str, Any]]:
    for entry in _listed(value):
        if isinstance(entry, dict):
            yield entry
        elif isinstance(entry, list):
            yield from _messages(entry)


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _added(content: list[Any]) -> list[Any]:
    changes = [block.get("tool") for block in content if isinstance(block, dict)]
    return [change["definition"] for change in changes if isinstance(change, dict) and "definition" in change]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for name in _TEXTS if isinstance(text := value.get(name), str))
