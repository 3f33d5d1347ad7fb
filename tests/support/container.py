"""
A whole systemd in a container of this very system: `/usr` is the host's, everything else is empty and forgotten at the end.

`systemd-nspawn --volatile=yes` starts it in seconds; commands are run inside through nsenter(1), without D-Bus.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from served import children, until

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
KIT = "/opt/deepseek-local"
PYTHON = f"{KIT}/bin/python"
_SILENT = ("nftables.service", "getty.target", "systemd-networkd.service", "systemd-resolved.service")
"""What the host's presets would start, and nobody needs here."""


def impediment() -> str | None:
    """Say why there can be no container here; None when there can."""
    if os.geteuid() != 0:
        return "only root may start a container"
    if shutil.which("systemd-nspawn") is None:
        return "there is no systemd-nspawn; requirements/system.txt names its package"
    return None


class Container:
    """One running system."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._first = 0
        until(lambda: self._is_up() or process.poll() is not None, "the start of the container")
        assert process.poll() is None, f"systemd-nspawn ended with {process.returncode}"

    def _is_up(self) -> bool:
        """Whether the system has started; the first process is at first another, which prepares the way for it."""
        self._first = next(iter(children(self._process.pid)), 0)
        return bool(self._first) and self.run("systemctl", "is-active", "basic.target").stdout == "active\n"

    def run(self, *argv: str, ok: Sequence[int] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as root, outside of all units; with `ok`, insist on its exit code."""
        entering = ("nsenter", "--target", str(self._first), "--all", "--", *argv)
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(entering, capture_output=True, text=True, check=False, timeout=120, env=environment)
        assert ok is None or done.returncode in ok, f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def program(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run our program as root."""
        return self.run(f"{KIT}/bin/deepseek-local", *argv, ok=(0,))

    def systemctl(self, *argv: str) -> str:
        done = self.run("systemctl", *argv)
        assert done.returncode == 0, f"systemctl {argv}: {done.stderr}\n{self.journal()}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit, ok=(0,)).stdout.strip()

    def until_shown(self, unit: str, name: str, value: str, seconds: float = 25.0) -> None:
        try:
            until(lambda: self.show(unit, name) == value, f"{name}={value} of {unit}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.show(unit, name)}\n{self.journal()}") from None

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", "--lines=120").stdout

    def write(self, path: str, text: str, mode: str = "0644", owner: str = "root:root") -> None:
        entering = ("nsenter", "--target", str(self._first), "--all", "--")
        for argv, content in (
            (("install", "-D", "-m", mode, "/dev/stdin", path), text.encode()),
            (("chown", owner, path), b""),
        ):
            subprocess.run((*entering, *argv), input=content, check=True, capture_output=True)

    def override(self, unit: str, text: str) -> None:
        """Put a drop-in beside a unit."""
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.systemctl("daemon-reload")


def _kit(place: Path) -> dict[Path, Path]:
    """Return what is shown where, so that this environment is in /opt: the units see no home directory, where it may be."""
    for part in ("bin", "python", "packages", "source"):
        (place / part).mkdir(parents=True)
    start = (
        f'export LD_LIBRARY_PATH={KIT}/python/lib PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{KIT}/source:{KIT}/packages"'
    )
    for name, module in (("python", ""), ("deepseek-local", "-m deepseek_local ")):
        program = place / "bin" / name
        program.write_text(f'#!/bin/sh\n{start}\nexec {KIT}/python/bin/python3 {module}"$@"\n')
    for path in (place, *place.iterdir(), *(place / "bin").iterdir()):
        path.chmod(0o755)
    inside = Path(KIT)
    return {
        place: inside,
        Path(sys.base_prefix): inside / "python",
        Path(sysconfig.get_path("purelib")): inside / "packages",
        ROOT: inside / "source",
    }


@contextlib.contextmanager
def booted(place: Path) -> Iterator[Container]:
    """Start a system that has our units, users, directories and program, and end it."""
    shown = _kit(place / "kit")
    for unit in (*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.timer")):
        shown[unit] = Path("/etc/systemd/system") / unit.name
    for kind in ("sysusers.d", "tmpfiles.d"):
        shown[SYSTEMD / kind / "deepseek-local.conf"] = Path("/etc") / kind / "deepseek-local.conf"
    argv = ["systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--register=no", "--keep-unit", "--boot"]
    argv += ["--private-network", f"--machine=units-{os.getpid()}", "--console=pipe"]
    argv += [f"--bind-ro={outside}:{inside}" for outside, inside in shown.items()]
    argv += ["systemd.unit=basic.target", "systemd.firstboot=0", *(f"systemd.mask={unit}" for unit in _SILENT)]
    with (place / "boot.log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield Container(process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
