"""Look at a host once and return its facts; everything that touches the host's state before a step does so here."""

import ctypes
import os
import resource
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deepseek_local.host import devices, memory, software
from deepseek_local.host.facts import Clock, Facts, Firewall, Limits, Security, Volume
from deepseek_local.host.mounts import Mount, holding, mounts
from deepseek_local.host.settings import SETTINGS
from deepseek_local.host.tree import Commands, Tree

_STA_UNSYNC, _TIMEX_BYTES, _TIMEX_STATUS = 0x0040, 512, 40
_KEEPERS = {"chronyd": "chrony", "systemd-timesyn": "systemd-timesyncd", "ntpd": "ntpd", "ntpsec": "ntpsec"}
_LISTENING = "0A"
_DATA = "/var/lib/deepseek-local"


def _kernel_is_synchronised() -> bool | None:
    """Ask adjtimex(2), as timedatectl(1) does; it needs no rights to read."""
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ctypes.CDLL(None).adjtimex(buffer) == -1:
        return None
    status = ctypes.c_int.from_buffer(buffer, _TIMEX_STATUS).value
    return not status & _STA_UNSYNC


def _free_bytes(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _limits() -> Limits:
    files, locked = (resource.getrlimit(each)[1] for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_MEMLOCK))
    unlimited = resource.RLIM_INFINITY
    return Limits(None if files == unlimited else files, None if locked == unlimited else locked)


@dataclass(frozen=True, slots=True)
class Senses:
    """What a host is looked at through."""

    tree: Tree = field(default_factory=Tree)
    commands: Commands = field(default_factory=Commands)
    packages: str = sysconfig.get_path("purelib")
    """Directory of the Python packages, where torch is looked for."""
    is_synchronised: Callable[[], bool | None] = _kernel_is_synchronised
    free_bytes: Callable[[Path], int] = _free_bytes
    limits: Callable[[], Limits] = _limits

    @classmethod
    def of_tree(cls, root: Path) -> "Senses":
        """Look at a tree that is not running, such as an image: its programs are not started, and no clock ticks."""
        return cls(Tree(root), Commands(()), is_synchronised=lambda: None)


def probe(senses: Senses) -> Facts:
    """Look at everything once."""
    tree, commands = senses.tree, senses.commands
    mounted = mounts(tree)
    return Facts(
        software.release(tree),
        software.software(tree, commands, senses.packages),
        devices.accelerators(tree, commands),
        memory.memory(tree, mounted),
        senses.limits(),
        _clock(senses),
        _security(tree),
        Firewall(commands.answer("nft", "list", "ruleset"), _listening(tree)),
        _volume(senses, mounted),
        tree.exists("/run/systemd/system"),
        tuple((name, _setting(tree, name)) for name in SETTINGS),
    )


def _clock(senses: Senses) -> Clock:
    processes = (name for name in senses.tree.names("/proc") if name.isdigit())
    running = {senses.tree.text(f"/proc/{name}/comm") for name in processes}
    keeper = next((name for process, name in _KEEPERS.items() if process in running), None)
    # chrony tells the kernel only where its option rtcsync is set.
    tracking = senses.commands.answer("chronyc", "-n", "tracking") if keeper == "chrony" else None
    if tracking is not None:
        return Clock(keeper, "Not synchronised" not in tracking)
    return Clock(keeper, senses.is_synchronised())


def _security(tree: Tree) -> Security | None:
    if not tree.exists("/sys/kernel"):
        return None
    enforce = tree.text("/sys/fs/selinux/enforce")
    return {"1": Security.ENFORCING, "0": Security.PERMISSIVE}.get(enforce or "", Security.DISABLED)


def _listening(tree: Tree) -> tuple[str, ...]:
    """Read the sockets of /proc/net/tcp that take connections from elsewhere (proc(5)); addresses are words of the host's byte order."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (tree.text(f"/proc/net/{table}") or "").splitlines()[1:]:
            columns = line.split()
            if len(columns) > 3 and columns[3] == _LISTENING:  # noqa: PLR2004 -- the fourth column is the state
                address, _, port = columns[1].partition(":")
                if not _is_loopback(address):
                    found.add(int(port, 16))
    return tuple(f"*:{port}" for port in sorted(found))


def _is_loopback(address: str) -> bool:
    return address.endswith("7F") if len(address) == 8 else address == f"{'0' * 24}01000000"  # noqa: PLR2004 -- IPv4


def _volume(senses: Senses, mounted: tuple[Mount, ...]) -> Volume | None:
    path = next(str(each) for each in (Path(_DATA), *Path(_DATA).parents) if senses.tree.exists(str(each)))
    mount = holding(path, mounted)
    if mount is None:
        return None
    try:
        free = senses.free_bytes(senses.tree.at(path))
    except OSError:
        return None
    return Volume(path, mount.kind, free, mount.options)


def _setting(tree: Tree, name: str) -> str:
    return " ".join((tree.text(f"/proc/sys/{name.replace('.', '/')}") or "").split())
