"""
The header of a safetensors file: enough to tell a whole file from a broken one without reading a weight.

Format (huggingface/safetensors, README "Format"): 8 bytes little-endian length N, N bytes of JSON that maps tensor names to
`dtype`, `shape` and `data_offsets`, then the data, to the last byte.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import ModelError

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000
"""The limit that the reference implementation sets."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first bytes of a file, length field included, and the size of the whole."""

    content: bytes
    file_bytes: int


def read_header(path: Path) -> Header:
    """
    Read the header and check that the file is as long as the header says.

    Raises `ModelError` when the file is empty, cut off or not safetensors at all.
    """
    with path.open("rb") as stream:
        start = stream.read(_LENGTH_BYTES)
        size = path.stat().st_size
        if not start:
            raise ModelError(f"{path} is empty: copy or download it again")
        length = int.from_bytes(start, "little")
        if len(start) < _LENGTH_BYTES or length > min(_LONGEST_HEADER, size - _LENGTH_BYTES):
            raise ModelError(f"{path} is cut off or no safetensors file: its header would end behind its {size} bytes")
        content = stream.read(length)
    expected = _LENGTH_BYTES + length + _data_bytes(path, content)
    if size != expected:
        raise ModelError(f"{path} has {size} bytes where its header promises {expected}: copy or download it again")
    return Header(start + content, size)


def _data_bytes(path: Path, content: bytes) -> int:
    try:
        tensors = json.loads(content)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:
        raise ModelError(f"{path} has a header that is no safetensors header ({error}): download it again") from error
    if not all(isinstance(end, int) for end in ends):
        raise ModelError(f"{path} has a header whose data_offsets are no whole numbers: download it again")
    return max(ends, default=0)
