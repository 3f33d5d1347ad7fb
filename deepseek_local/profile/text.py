"""From a file to its text: everything that is not a small UTF-8 file is refused before it is parsed."""

import stat
from pathlib import Path

from deepseek_local.errors import Problem, ProfileError

LIMIT_BYTES = 1_048_576
"""A profile has about 3 KB; what is larger is some other file."""

BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "a UTF-8 byte order mark", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read(path: Path) -> str:
    """Return the text of a profile file. Raises `ProfileError` if it is not a readable, small UTF-8 file."""
    try:
        content = _content(path)
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal(path, f"cannot be read ({reason}), check the path and its permissions") from error
    return _decode(path, content)


def _content(path: Path) -> bytes:
    """Read at most the limit; a pipe or device is not even opened, because that may wait for ever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, f"is {_sort(status.st_mode)}, not a file, name a YAML file")
    with path.open("rb") as stream:
        content = stream.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise _refusal(
            path, f"is too large ({max(status.st_size, len(content)):_} bytes), a profile has at most {LIMIT_BYTES:_}"
        )
    return content


def _decode(path: Path, content: bytes) -> str:
    """Decode strictly, and say where that failed."""
    for mark, name in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise _refusal(path, f"begins with {name} (bytes {mark.hex(' ')}), save it as UTF-8 without one", 1, 1)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        good = content[: error.start].decode("utf-8")
        line, column = good.count("\n") + 1, len(good) - good.rfind("\n")
        message = f"is not UTF-8 (byte 0x{content[error.start]:02x} at offset {error.start}), save it as UTF-8"
        raise _refusal(path, message, line, column) from error


def _refusal(path: Path, message: str, line: int | None = None, column: int | None = None) -> ProfileError:
    """Make the error for a file as a whole."""
    return ProfileError([Problem(message, str(path), line, column)])


def _sort(mode: int) -> str:
    """Say what stands there instead of a file."""
    return "a directory" if stat.S_ISDIR(mode) else "a device, pipe or socket"
