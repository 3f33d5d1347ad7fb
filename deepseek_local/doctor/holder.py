"""Who holds a port or a Unix socket, as far as /proc tells (proc(5)): other users' processes stay hidden from us."""

from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"
_UNIX_PATH_FIELD = 7


def of_port(port: int, proc: Path = Path("/proc")) -> str | None:
    """Return `NAME (process N)` of the process that listens on the TCP port, or None when it cannot be told."""
    for table in ("net/tcp", "net/tcp6"):
        for fields in _rows(proc / table):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                return _owner(fields[9], proc)
    return None


def of_socket(path: Path, proc: Path = Path("/proc")) -> str | None:
    """Return the same for a Unix socket."""
    for fields in _rows(proc / "net/unix"):
        # Connections have the path of their listener: one that nobody has accepted yet with inode 0, another may have ended meanwhile.
        if fields[_UNIX_PATH_FIELD:] == [str(path)] and fields[6] != "0" and (owner := _owner(fields[6], proc)):
            return owner
    return None


def _rows(table: Path) -> Iterator[list[str]]:
    try:
        lines = table.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    yield from (line.split() for line in lines[1:])


def _owner(inode: str, proc: Path) -> str | None:
    """Search the open files of all processes that we may look into."""
    for process in proc.iterdir():
        if process.name.isdecimal() and _holds(process, f"socket:[{inode}]"):
            return f"{_name(process)} (process {process.name})"
    return None


def _holds(process: Path, target: str) -> bool:
    try:
        return any(_leads_to(entry, target) for entry in (process / "fd").iterdir())
    except OSError:  # it has ended, or it belongs to somebody else
        return False


def _leads_to(entry: Path, target: str) -> bool:
    try:
        return str(entry.readlink()) == target
    except OSError:  # a process opens and closes files while we look
        return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"
