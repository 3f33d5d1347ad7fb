"""
Probe GPUs, their drivers and services, and what stands between them on the PCI bus.

Access Control Services: PCI Express Base Specification 5.0, 7.7.8; the extended capability 0x000D, its control register at offset 6.
"""

import re
import struct
from collections.abc import Iterator

from deepseek_local.host.facts import Accelerators
from deepseek_local.host.software import version
from deepseek_local.host.tree import Commands, Tree

_DEVICES = "/sys/bus/pci/devices"
_NVIDIA, _AMD = "0x10de", "0x1002"
_DISPLAYS, _PROCESSORS, _BRIDGES, _OTHER_BRIDGES = ("0x0300", "0x0302"), ("0x0380", "0x1200"), "0x0604", "0x0680"
_FIRST_EXTENDED, _ACS, _CONTROL, _REDIRECTS = 0x100, 0x000D, 6, 0b1100


def accelerators(tree: Tree, commands: Commands) -> Accelerators:
    """Look at the PCI bus and at what drives the GPUs."""
    bus = [
        (name, tree.text(f"{_DEVICES}/{name}/vendor"), (tree.text(f"{_DEVICES}/{name}/class") or "")[:6])
        for name in tree.names(_DEVICES)
    ]
    nvidia = [name for name, vendor, kind in bus if vendor == _NVIDIA and kind in _DISPLAYS]
    amd = [name for name, vendor, kind in bus if vendor == _AMD and kind in (*_DISPLAYS, *_PROCESSORS)]
    modules = tree.text("/sys/module/amdgpu/version")
    manager = commands.answer("nv-fabricmanager", "--version")
    return Accelerators(
        len(nvidia),
        sum(vendor == _NVIDIA and kind == _OTHER_BRIDGES for _, vendor, kind in bus),
        len(amd),
        version(_driver_line(tree)),
        _persistent(commands) if nvidia else None,
        version(manager) if manager else None,
        _runs(tree, "nv-fabricmanage"),
        tree.exists("/dev/kfd"),
        modules or ("in-tree" if tree.exists("/sys/module/amdgpu") else None),
        version(tree.text("/opt/rocm/.info/version") or ""),
        bool(re.search(r"^flags\s*:.*\bhypervisor\b", tree.text("/proc/cpuinfo") or "", re.MULTILINE)),
        any((tree.text(f"{_DEVICES}/{name}/iommu_group/type") or "").startswith("DMA") for name in (*nvidia, *amd)),
        _redirecting(tree, [name for name, _, kind in bus if kind == _BRIDGES]),
    )


def _driver_line(tree: Tree) -> str:
    return next((line for line in (tree.text("/proc/driver/nvidia/version") or "").splitlines() if "NVRM" in line), "")


def _persistent(commands: Commands) -> tuple[bool, ...] | None:
    answer = commands.answer("nvidia-smi", "--query-gpu=persistence_mode", "--format=csv,noheader")
    return None if answer is None else tuple(line.strip() == "Enabled" for line in answer.splitlines() if line.strip())


def _runs(tree: Tree, process: str) -> bool:
    """Whether a process of this name runs; the kernel keeps 15 characters of it."""
    return any(tree.text(f"/proc/{name}/comm") == process for name in tree.names("/proc") if name.isdigit())


def _redirecting(tree: Tree, bridges: list[str]) -> tuple[str, ...] | None:
    spaces = {name: tree.data(f"{_DEVICES}/{name}/config") or b"" for name in bridges}
    if bridges and all(len(space) <= _FIRST_EXTENDED for space in spaces.values()):
        return None
    return tuple(name for name, space in spaces.items() if _control(space) & _REDIRECTS)


def _control(space: bytes) -> int:
    """Return ACS's control register of a device, 0 without one."""
    for identifier, offset in _capabilities(space):
        if identifier == _ACS and offset + _CONTROL + 2 <= len(space):
            (control,) = struct.unpack_from("<H", space, offset + _CONTROL)
            return int(control)
    return 0


def _capabilities(space: bytes) -> Iterator[tuple[int, int]]:
    """Walk the extended capabilities; a list that runs in a circle ends."""
    offset, seen = _FIRST_EXTENDED, set[int]()
    while offset >= _FIRST_EXTENDED and offset + 4 <= len(space) and offset not in seen:
        seen.add(offset)
        (header,) = struct.unpack_from("<I", space, offset)
        yield header & 0xFFFF, offset
        offset = header >> 20
