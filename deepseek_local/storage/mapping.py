"""
The open volume as the kernel shows it: /dev/mapper/NAME, found by the volume's UUID in /sys, and who uses it.

Who holds files open is seen in /proc by the number of the file system's device, which no name can disguise (proc(5)).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

BLOCK = Path("/sys/class/block")
PROC = Path("/proc")
MAPPER = Path("/dev/mapper")
SHOWN = 5
"""Processes that a message names; there may be hundreds."""

_VOLUME = re.compile(r"CRYPT-LUKS2-([0-9a-f]{32})-")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mapping:
    """One open volume."""

    name: str
    device: str
    """Its number, as `253:0`."""
    uuid: str | None
    """UUID of the LUKS2 volume; None for anything else."""
    block: Path
    """Its directory in /sys."""

    @property
    def path(self) -> Path:
        """The device with the volume in the clear."""
        return MAPPER / self.name


def find(uuid: str) -> Mapping | None:
    """Return the mapping of the volume of that UUID, if it is open."""
    return next((each for each in _all() if each.uuid == uuid), None)


def named(name: str) -> Mapping | None:
    """Return whatever has that name."""
    return next((each for each in _all() if each.name == name), None)


def _all() -> Iterator[Mapping]:
    for block in BLOCK.glob("dm-*"):
        try:
            name, known_as, device = ((block / each).read_text().strip() for each in ("dm/name", "dm/uuid", "dev"))
        except OSError:  # gone since the directory was read
            continue
        digits = _VOLUME.match(known_as)
        yield Mapping(name, device, str(UUID(digits[1])) if digits else None, block)


def places(mapping: Mapping, process: str = "self") -> list[str]:
    """Return where it is mounted for a process, oldest first."""
    try:
        lines = (PROC / process / "mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # the process ended
        return []
    rows = [line.split(" ") for line in lines]
    return [_ESCAPED.sub(lambda code: chr(int(code[1], 8)), row[4]) for row in rows if row[2] == mapping.device]


def uses(mapping: Mapping) -> list[str]:
    """Say in a few words each what keeps the volume from being closed."""
    found = [f"mounted on {place}" for place in places(mapping)]
    found += [f"below {holder.name}" for holder in sorted((mapping.block / "holders").glob("*"))]
    processes = list(_processes(mapping))
    found += processes[:SHOWN]
    return [*found, f"{len(processes) - SHOWN} more processes"] if len(processes) > SHOWN else found


def _processes(mapping: Mapping) -> Iterator[str]:
    major, minor = map(int, mapping.device.split(":"))
    number, ours = os.makedev(major, minor), _namespace("self")
    for process in sorted((each.name for each in PROC.glob("[0-9]*")), key=int):
        if _holds(process, number):
            yield f"in use by {_command(process)} (process {process})"
        elif _namespace(process) != ours and (there := places(mapping, process)):
            yield f"mounted on {there[0]} for {_command(process)} (process {process})"


def _holds(process: str, number: int) -> bool:
    """Whether a process has a file, a directory or its program there, or the device itself open."""
    links = [PROC / process / each for each in ("cwd", "root", "exe")]
    for kind in ("fd", "map_files"):
        try:
            links += (PROC / process / kind).iterdir()
        except OSError:  # the process ended, or is not ours to look at
            continue
    return any(_is_there(link, number) for link in links)


def _is_there(link: Path, number: int) -> bool:
    try:
        status = link.stat()
    except OSError:
        return False
    return number in (status.st_dev, status.st_rdev)


def _namespace(process: str) -> str:
    try:
        return str((PROC / process / "ns/mnt").readlink())
    except OSError:
        return ""


def _command(process: str) -> str:
    try:
        return (PROC / process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a process that ended"
