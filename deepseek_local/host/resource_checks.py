"""Judge memory, limits, volumes, kernel settings and the firewall."""

import re
from collections.abc import Iterator

from deepseek_local.finding import Finding, error, warning
from deepseek_local.host.facts import Facts, Memory
from deepseek_local.host.settings import SETTINGS

SHARED = "/dev/shm"  # noqa: S108 -- the place itself, not a file in it
_GIB = 1024**3
_LEAST_FILES = 65_536
_LARGEST_SHARED_BYTES = 16 * _GIB
_LEAST_FREE_BYTES, _LITTLE_FREE_BYTES = _GIB, 100 * _GIB
_FIT = ("ext4", "xfs", "btrfs", "zfs", "ext3")
_FORGETFUL = ("tmpfs", "ramfs")
_UNSAFE = ("nobarrier", "barrier=0")
_TABLE = re.compile(r"^table (inet|ip|ip6) (\S+) \{$", re.MULTILINE)
_DROPS = re.compile(r"hook input [^}]*?policy drop")


def shared_memory(facts: Facts) -> Iterator[Finding]:
    """Look at /dev/shm, through which the processes of one engine talk."""
    seen, wanted = facts.memory.shared_bytes, wanted_shared_bytes(facts.memory)
    if seen is None:
        yield error("shm.missing", f"nothing is mounted at {SHARED}", "mount a tmpfs there")
    elif seen < wanted:
        yield error(
            "shm.small", f"{SHARED} holds {_gib(seen)} GiB", f"give it {_gib(wanted)} GiB, as `host prepare` does"
        )


def wanted_shared_bytes(memory: Memory) -> int:
    """Return how large /dev/shm should be: 16 GiB, but never above half of the memory."""
    return min(_LARGEST_SHARED_BYTES, memory.bytes // 2)


def huge_pages(facts: Facts) -> Iterator[Finding]:
    """Look at transparent huge pages."""
    if facts.memory.huge_pages not in (None, "madvise"):
        yield warning(
            "hugepages.mode",
            f"transparent huge pages are `{facts.memory.huge_pages}`",
            "choose madvise, so that only who asks for them waits for them, as `host prepare` does",
        )


def swap(facts: Facts) -> Iterator[Finding]:
    """Look for swap areas on which prompts and keys could stay readable."""
    for area in facts.memory.open_swaps:
        yield error(
            "swap.open",
            f"the swap area {area[:80]} is not encrypted",
            "run swapoff and take it out of /etc/fstab, or encrypt it",
        )


def limits(facts: Facts) -> Iterator[Finding]:
    """Look at the limits of who starts by hand; the units set their own."""
    files, locked = facts.limits.files, facts.limits.locked_bytes
    if files is not None and files < _LEAST_FILES:
        yield warning(
            "limit.files",
            f"at most {files} files may be open",
            f"allow {_LEAST_FILES}, as `host prepare` does for the group deepseek-local; it counts from the next login",
        )
    if facts.accelerators.nvidia + facts.accelerators.amd and locked is not None:
        yield warning(
            "limit.memlock",
            f"at most {locked // 1024} KiB may be locked in memory, and NCCL pins more",
            "allow any amount, as `host prepare` does for the group deepseek-local; it counts from the next login",
        )


def settings(facts: Facts) -> Iterator[Finding]:
    """Look at the kernel's settings."""
    for name, found in facts.settings:
        wanted = SETTINGS[name]
        if not wanted.is_met_by(found):
            yield warning(
                "setting.differs",
                f"{name} is `{found[:80]}` instead of `{wanted.value}`: {wanted.reason}",
                "let `host prepare` set it",
            )


def firewall(facts: Facts) -> Iterator[Finding]:
    """Look for a firewall that refuses what nobody opened: the engine's TCPStore listens on all addresses and asks nobody who he is."""
    tables = facts.firewall.tables
    if tables is None:
        yield error(
            "firewall.unseen", "nftables could not be asked for its rules", "install nftables and run this as root"
        )
    elif not _is_closed(tables):
        open_now = f", and {', '.join(facts.firewall.listening[:8])} listen" if facts.firewall.listening else ""
        yield error(
            "firewall.open",
            f"no chain of nftables drops what nobody opened{open_now}",
            "let `host prepare` load its own table, or set the default of yours to drop",
        )


def _is_closed(tables: str) -> bool:
    """Whether both versions of IP are closed; firewalld ends its chain with a rule instead of a policy."""
    found = list(_TABLE.finditer(tables))
    ends = [*(match.start() for match in found), len(tables)][1:]
    closed = {
        match[1]
        for match, end in zip(found, ends, strict=True)
        if match[2] == "firewalld" or _DROPS.search(tables, match.end(), end)
    }
    return "inet" in closed or {"ip", "ip6"} <= closed


def volume(facts: Facts) -> Iterator[Finding]:
    """Look at where models and the audit log go."""
    seen = facts.volume
    if seen is None:
        yield warning("volume.unseen", "the file system of /var/lib/deepseek-local could not be seen", "mount /proc")
        return
    if seen.kind in _FORGETFUL:
        yield error(
            "volume.forgets",
            f"{seen.path} is a {seen.kind}, which forgets the audit log",
            "mount a file system of a disk at /var/lib/deepseek-local",
        )
    elif seen.kind not in _FIT:
        yield warning(
            "volume.untried",
            f"{seen.path} is of type {seen.kind[:40]}",
            "what fdatasync promises there is not known: ext4, xfs, btrfs and zfs keep it",
        )
    if unsafe := next((each for each in _UNSAFE if each in seen.options), None):
        yield error(
            "volume.unsafe",
            f"{seen.path} is mounted with {unsafe}, so a power cut takes acknowledged records",
            "mount it without",
        )
    if seen.free_bytes < _LEAST_FREE_BYTES:
        yield error(
            "volume.full",
            f"{seen.path} has {seen.free_bytes // 1024**2} MiB left",
            "free some space, or mount a larger volume at /var/lib/deepseek-local",
        )
    elif seen.free_bytes < _LITTLE_FREE_BYTES:
        yield warning(
            "volume.small",
            f"{seen.path} has {_gib(seen.free_bytes)} GiB left",
            "a large checkpoint takes hundreds: mount a larger volume at /var/lib/deepseek-local",
        )


def _gib(count: int) -> str:
    return f"{count / _GIB:.1f}"
