"""What preparations did to a host, written before each step, so that one that was cut off can be taken back, too."""

from pathlib import Path

import msgspec

from deepseek_local import files
from deepseek_local.errors import HostError
from deepseek_local.host.packages import STATE
from deepseek_local.host.tree import Tree


class Written(msgspec.Struct, frozen=True):
    """A file that a step wrote."""

    path: str
    before: bytes | None
    """What was there; None for nothing."""
    mode: int
    """Of what was there."""
    digest: str
    """SHA-256 of what the step wrote, as hex."""


class Entry(msgspec.Struct, frozen=True):
    """One step."""

    at: str
    """ISO 8601, UTC."""
    name: str
    title: str
    files: tuple[Written, ...]
    commands: tuple[tuple[str, ...], ...]
    undo: tuple[tuple[str, ...], ...]


def place(tree: Tree) -> Path:
    """Return where the journal of a host lies."""
    return tree.at(f"{STATE}/applied.json")


def read(tree: Tree) -> tuple[Entry, ...]:
    """Return all steps that were not taken back, the oldest first. Raises `HostError`."""
    path = place(tree)
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Entry, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise HostError(
            f"the journal {path} cannot be read ({error}): put it right, or move it away and lose the way back"
        ) from error


def write(tree: Tree, entries: tuple[Entry, ...]) -> None:
    """Replace the journal, durably. Raises `HostError`."""
    path = place(tree)
    try:
        files.write_atomic(path, msgspec.json.encode(entries))
    except OSError as error:
        raise HostError(
            f"the journal {path} cannot be written ({error.strerror}), so nothing more is changed: free some space there"
        ) from error
