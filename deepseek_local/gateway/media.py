"""
Content parts of messages: text, and media that carry their bytes with them.

An address of elsewhere makes the engine fetch it from inside the site (SSRF), embeddings bypass every look at a prompt, and a `uuid` names
an entry of the media cache that somebody else may have filled (`vllm/renderers/chat_utils.py`, `MM_PARSER_MAP`; `uuid`). Arguments of tool
calls are not looked into: to the engine they are text.
"""

from collections.abc import Iterator
from typing import Any, Final

from deepseek_local.gateway.documents import Fields

MESSAGES: Final = frozenset({"messages", "input", "previous_input_messages", "system", "inputs"})
"""Fields with messages or content parts."""
TEXTS: Final = frozenset({"documents", "items", "queries", "query", "data_1", "data_2", "text_1", "text_2"})
"""Fields with texts, in place of which an object may have parts as its `content`; its other members mean nothing to the engine."""

_ADDRESSES: Final = frozenset({"image_url", "audio_url", "video_url", "file_url"})
_REFUSED: Final = frozenset(
    {"image_pil", "image_embeds", "audio_embeds", "video_embeds", "prompt_embeds", "uuid", "file_id", "file"}
)
_REFUSED_TYPES: Final = (_REFUSED - {"uuid"}) | {"input_file", "item_reference"}
_NESTED: Final = ("content", "output")
"""Where a message or a part has further parts."""
_NOTABLE: Final = _REFUSED | _ADDRESSES | {"type", "source", "output"}


def misfit(fields: Fields) -> tuple[str, str] | None:
    """Return the first field with a part that is refused, and what is wrong with it; None when all are fine."""
    for name in fields:
        if name in MESSAGES or name in TEXTS:
            parts = _parts(fields[name]) if name in MESSAGES else _contents(fields[name])
            problem = next(filter(None, map(_problem, parts)), None)
            if problem is not None:
                return name, problem
    return None


def is_carried(address: object) -> bool:
    """Whether an address holds its content itself (RFC 2397), or there is none."""
    return address is None or (isinstance(address, str) and address.startswith("data:"))


def _parts(value: object) -> Iterator[dict[str, Any]]:
    """Yield every message and every content part, however deep; the depth of a document is bounded."""
    if isinstance(value, dict):
        yield value
        yield from _nested(value)
    elif isinstance(value, list):
        # A list of token ids can be long; asking for its types takes no step of Python for each.
        kinds = set(map(type, value))
        if dict in kinds or list in kinds:
            for entry in value:
                if not _is_plain(entry):
                    yield from _parts(entry)


def _is_plain(entry: object) -> bool:
    """Whether an entry is a message of one text, which is what nearly all are."""
    return isinstance(entry, dict) and isinstance(entry.get("content"), str) and _NOTABLE.isdisjoint(entry)


def _nested(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in _NESTED:
        nested = value.get(name)
        if isinstance(nested, dict | list):
            yield from _parts(nested)


def _contents(value: object) -> Iterator[dict[str, Any]]:
    for entry in value if isinstance(value, list) else (value,):
        if isinstance(entry, dict):
            yield from _nested(entry)


def _problem(part: dict[str, Any]) -> str | None:
    kind = part.get("type")
    if isinstance(kind, str) and kind in _REFUSED_TYPES:
        return f"parts of the type `{kind}` are not accepted"
    if not _REFUSED.isdisjoint(part):
        return f"`{min(_REFUSED.intersection(part))}` is not accepted in a part"
    for name in _ADDRESSES.intersection(part):
        address = part[name]
        if not is_carried(address.get("url") if isinstance(address, dict) else address):
            return f"`{name}` must be a `data:` URL"
    source = part.get("source")
    if isinstance(source, dict) and source.get("type") != "base64":
        return "`source` must be of the type `base64`"
    return None
