"""Unit files of systemd as tests look at them: their settings, and what systemd has to say."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

OURS = ("deepseek-local", "deepseek-audit", "deepseek-witness")
"""Users that need not exist where the tests run."""


def settings(unit: Path) -> list[tuple[str, str]]:
    """Return the lines `key=value` in their order."""
    lines = unit.read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


def complaints(units: Sequence[Path], place: Path) -> tuple[int, list[str]]:
    """Let systemd check an instance of each, without our program and users; return its exit code and what it says of them."""
    copies = [place / unit.name.replace("@", "@demo") for unit in units]
    for unit, copy in zip(units, copies, strict=True):
        text = unit.read_text().replace("/opt/deepseek-local/bin/deepseek-local", "/bin/true")
        for user in OURS:
            text = text.replace(f"={user}\n", "=root\n")
        copy.write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, copies)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if any(copy.name in line for copy in copies)]
