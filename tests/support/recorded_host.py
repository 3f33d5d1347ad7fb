"""
Hosts of which excerpts are kept in tests/support/hosts, laid out as a tree; their programs are scripts that print what was recorded.

A file begins with `== PATH`; `hex` after the path says that its content is bytes, `x` that it is a program.
"""

import re
from collections.abc import Callable
from pathlib import Path

from deepseek_local.host.facts import Limits
from deepseek_local.host.probing import Senses
from deepseek_local.host.tree import Commands, Tree

HOSTS = Path(__file__).parent / "hosts"
TEBIBYTE = 1024**4
_SECTION = re.compile(r"^== (\S+)(?: (hex|x))?\n(.*?)(?=^== |\Z)", re.MULTILINE | re.DOTALL)


def laid_out(name: str, root: Path) -> Path:
    """Write the files of a host below an empty directory."""
    for path, kind, text in _SECTION.findall((HOSTS / f"{name}.txt").read_text("utf-8")):
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes.fromhex(text) if kind == "hex" else text.encode())
        if kind == "x":
            place.chmod(0o755)
    return root


def senses(
    root: Path,
    *,
    is_synchronised: bool | None = True,
    free_bytes: Callable[[Path], int] = lambda _: TEBIBYTE,
    timeout_seconds: float = 5,
) -> Senses:
    """Look at a laid out host, with no limits and much room."""
    commands = Commands((root / "usr/sbin", root / "usr/bin"), timeout_seconds)
    return Senses(
        Tree(root), commands, "/site-packages", lambda: is_synchronised, free_bytes, lambda: Limits(None, None)
    )
