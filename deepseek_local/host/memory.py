"""Probe memory, shared memory, huge pages and swap."""

import re

from deepseek_local.host.facts import Memory
from deepseek_local.host.mounts import Mount
from deepseek_local.host.tree import Tree

_KIB = 1024
_UNITS = {"": 1, "k": _KIB, "m": _KIB**2, "g": _KIB**3}
_SIZE = re.compile(r"size=(\d+)([kmg%]?)")
_DEEPEST = 8


def memory(tree: Tree, mounted: tuple[Mount, ...]) -> Memory:
    """Look at the memory."""
    total = _total_bytes(tree)
    chosen = re.search(r"\[(\w+)\]", tree.text("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    return Memory(
        total,
        _shared_bytes(mounted, total),
        chosen[1] if chosen else None,
        _open_swaps(tree),
    )


def _total_bytes(tree: Tree) -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", tree.text("/proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * _KIB if found else 0


def _shared_bytes(mounted: tuple[Mount, ...], total: int) -> int | None:
    """Read the size of /dev/shm; without one, tmpfs(5) takes half of the memory."""
    mount = next((mount for mount in reversed(mounted) if mount.place == "/dev/shm"), None)  # noqa: S108 -- the place itself
    if mount is None:
        return None
    found = next(filter(None, map(_SIZE.fullmatch, mount.options)), None)
    if found is None:
        return total // 2
    return total * int(found[1]) // 100 if found[2] == "%" else int(found[1]) * _UNITS[found[2]]


def _open_swaps(tree: Tree) -> tuple[str, ...]:
    areas = [line.split()[0] for line in (tree.text("/proc/swaps") or "").splitlines()[1:] if line.strip()]
    return tuple(area for area in areas if not _is_safe(tree, area.removeprefix("/dev/")))


def _is_safe(tree: Tree, device: str, depth: int = _DEEPEST) -> bool:
    """Whether what is written to a device is encrypted, or stays in memory; a mapping counts as what lies below it."""
    if device.startswith("zram"):
        return True
    block = f"/sys/block/{device}"
    if (tree.text(f"{block}/dm/uuid") or "").startswith("CRYPT-"):
        return True
    below = tree.names(f"{block}/slaves")
    return depth > 0 and bool(below) and all(_is_safe(tree, each, depth - 1) for each in below)
