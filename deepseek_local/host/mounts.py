"""What is mounted where, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""

import re
from dataclasses import dataclass

from deepseek_local.host.tree import Tree

_ESCAPED = re.compile(r"\\([0-7]{3})")
_OPTIONAL_END = "-"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line."""

    place: str
    kind: str
    device: str
    """As `major:minor`."""
    options: tuple[str, ...]
    """Of the mount and of its file system."""


def mounts(tree: Tree) -> tuple[Mount, ...]:
    """Return all mounts in their order; lines that are none are passed over."""
    lines = (tree.text("/proc/self/mountinfo") or "").splitlines()
    return tuple(mount for mount in map(_read, lines) if mount is not None)


def holding(path: str, mounted: tuple[Mount, ...]) -> Mount | None:
    """Return the mount on which a path lies; of several at one place the last one counts."""
    candidates = [mount for mount in mounted if _is_below(path, mount.place)]
    return max(reversed(candidates), key=lambda mount: len(mount.place), default=None)


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _read(line: str) -> Mount | None:
    before, separator, after = (part.split() for part in line.partition(f" {_OPTIONAL_END} "))
    if not separator or len(before) < 6 or len(after) < 3:  # noqa: PLR2004 -- the columns of the manual page
        return None
    place = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), before[4])
    return Mount(place, after[0], before[2], (*before[5].split(","), *after[2].split(",")))
