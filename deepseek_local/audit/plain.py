"""
Recognise the lines that need no cleaning, which are nearly all, at a fraction of what cleaning costs.

Both sides of the socket look at every record, so this decides how many a second there can be. `members` accepts only what `clip.clean`
would leave alone; the rest is cleaned in the ordinary way.
"""

from typing import Annotated, cast

import msgspec
from msgspec import Meta

from deepseek_local.audit.clip import FLAG, INTEGER_LIMIT, ITEM_LIMIT, KEY_LIMIT, TEXT_LIMIT

_Key = Annotated[str, Meta(max_length=KEY_LIMIT)]
_Text = Annotated[str, Meta(max_length=TEXT_LIMIT)]
_Integer = Annotated[int, Meta(ge=1 - INTEGER_LIMIT, le=INTEGER_LIMIT - 1)]
_Few = Meta(max_length=ITEM_LIMIT)

# One line for each level that `clip.DEPTH_LIMIT` allows, the deepest first.
_Leaf = _Text | _Integer | bool | None
_Fourth = Annotated[list[_Leaf], _Few] | Annotated[dict[_Key, _Leaf], _Few] | _Leaf
_Third = Annotated[list[_Fourth], _Few] | Annotated[dict[_Key, _Fourth], _Few] | _Leaf
_Second = Annotated[list[_Third], _Few] | Annotated[dict[_Key, _Third], _Few] | _Leaf

_decoder = msgspec.json.Decoder(Annotated[dict[_Key, _Second], _Few])

_BYTES = bytes(range(0x20, 0x7F)).replace(b"\\", b"")
"""Printable ASCII without the backslash: a line of these has no escapes, so its strings are what it shows."""


def members(line: bytes) -> dict[str, object] | None:
    """Return the members of a JSON object in which there is nothing to clean; None for everything else."""
    if line.translate(None, _BYTES):
        return None
    try:
        found = _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return cast("dict[str, object]", found) if FLAG not in found else None
