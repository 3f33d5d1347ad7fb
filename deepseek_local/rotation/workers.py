"""
The worker processes of a running nginx: who still accepts connections with the configuration from before.

`nginx -s reload` returns as soon as the signal is sent. The master then starts workers with the new configuration and tells the old ones to finish,
which they show in their title (`worker process is shutting down`); until then an old one can accept a client whom the new list refuses. A
master that cannot use the new configuration starts no workers at all, and writes why into its error log only.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from deepseek_local.errors import PKIError

_PID_FILE = re.compile(r"^\s*pid\s+([^\s;]+)\s*;", re.MULTILINE)
_BUILT_IN = re.compile(r"--pid-path=(\S+)")
_ACCEPTS = "nginx: worker process"
_LEAVES = "is shutting down"
_PATIENCE_SECONDS = 15.0
_PAUSE_SECONDS = 0.02


def pid_file(configuration: str, build: str) -> Path:
    """Return where the master writes its number, from what `nginx -T` and `nginx -V` print. Raises `PKIError`."""
    found = _PID_FILE.search(configuration) or _BUILT_IN.search(build)
    place = Path(found[1].strip("\"'")) if found else Path()
    if not place.is_absolute():
        raise PKIError("nginx does not say where its pid file is; write `pid /run/nginx.pid;` into its configuration")
    return place


def accepting(pid_file: Path) -> set[int]:
    """Return the workers that accept connections. Raises `PKIError` when nginx does not run."""
    try:
        master = int(pid_file.read_text())
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    except (OSError, ValueError) as error:
        raise PKIError(f"nginx does not run, as far as {pid_file} tells ({error}); start it") from error
    titles = {int(child): _title(child) for child in children}
    if children and not any(titles.values()):
        raise PKIError(
            "nginx's workers cannot be seen in /proc; let this run without ProtectProc=invisible, or with CAP_SYS_PTRACE"
        )
    return {child for child, title in titles.items() if title.startswith(_ACCEPTS) and _LEAVES not in title}


def wait_for_new(pid_file: Path, old: set[int]) -> None:
    """Return when workers accept connections and none of the old ones does. Raises `PKIError` when that does not come."""
    for now in _looks(pid_file):
        if now and not now & old:
            return
    raise PKIError(
        "nginx has not begun to use its new configuration; its error log says why, it goes on with the old one"
    )


def _looks(pid_file: Path) -> Iterator[set[int]]:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        yield accepting(pid_file)
        time.sleep(_PAUSE_SECONDS)


def _title(child: str) -> str:
    try:
        return Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0 ").decode(errors="replace")
    except OSError:  # it has ended meanwhile, or is hidden
        return ""
