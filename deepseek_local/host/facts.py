"""What was seen of a host, frozen: nothing here judges, and None means that it could not be seen."""

from dataclasses import dataclass
from enum import StrEnum

Version = tuple[int, ...]


class Security(StrEnum):
    """How SELinux treats a breach of its policy."""

    ENFORCING = "enforcing"
    PERMISSIVE = "permissive"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Release:
    """The distribution, from os-release(5)."""

    id: str
    version: str
    name: str
    """As people call it."""


@dataclass(frozen=True, slots=True)
class Software:
    """Programs and libraries."""

    python: Version
    compiler: str | None
    """Path of gcc or cc, with which Triton builds its launchers."""
    has_python_header: bool
    """Whether Python.h is there, which these launchers include."""
    cuda: Version | None
    """CUDA version of the installed torch; None without torch, or where it was built without CUDA."""
    rocm: Version | None
    programs: tuple[str, ...]
    """Which of the programs that are looked for are there."""


@dataclass(frozen=True, slots=True)
class Accelerators:
    """GPUs and what manages them."""

    nvidia: int
    """GPUs of NVIDIA on the PCI bus, with or without a driver."""
    nvswitches: int
    amd: int
    driver: Version | None
    """Loaded driver of NVIDIA."""
    persistent: tuple[bool, ...] | None
    """Persistence mode of each GPU."""
    fabric_manager: Version | None
    """Installed version."""
    is_fabric_managed: bool | None
    """Whether the fabric manager runs."""
    has_kfd: bool
    """Whether /dev/kfd is there, through which ROCm computes."""
    amdgpu: str | None
    """Version of the amdgpu module; `in-tree` for the kernel's own."""
    rocm: Version | None
    """Installed ROCm."""
    is_virtual: bool
    """Whether this is a virtual machine."""
    translates: bool
    """Whether an IOMMU translates every transfer of devices."""
    redirecting: tuple[str, ...] | None
    """PCI bridges with Access Control Services, which send transfers between GPUs through the root complex; None where only root sees."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory, shared memory, and where pages may go."""

    bytes: int
    shared_bytes: int | None
    """Size of /dev/shm; None if nothing is mounted there."""
    huge_pages: str | None
    """Mode of transparent huge pages."""
    open_swaps: tuple[str, ...]
    """Swap areas that are not encrypted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of whoever asked; None is no limit."""

    files: int | None
    locked_bytes: int | None


@dataclass(frozen=True, slots=True)
class Clock:
    """Who keeps the time."""

    keeper: str | None
    """The running service."""
    is_synchronised: bool | None


@dataclass(frozen=True, slots=True)
class Firewall:
    """What guards the ports."""

    tables: str | None
    """Everything that nftables holds; None if it could not be asked."""
    listening: tuple[str, ...]
    """Sockets of TCP that listen on other addresses than loopback, as `*:29500`."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A place for much data."""

    path: str
    """The nearest directory that exists."""
    kind: str
    """Type of the file system."""
    free_bytes: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything."""

    release: Release | None
    software: Software
    accelerators: Accelerators
    memory: Memory
    limits: Limits
    clock: Clock
    security: Security | None
    firewall: Firewall
    volume: Volume | None
    has_systemd: bool
    """Whether systemd runs this host."""
    settings: tuple[tuple[str, str], ...] = ()
    """Kernel settings as sysctl(8) names them, with their values now."""

    @property
    def is_running(self) -> bool:
        """Whether this is a running host, and not an image of one."""
        return self.memory.bytes > 0


def dotted(version: Version) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version)
