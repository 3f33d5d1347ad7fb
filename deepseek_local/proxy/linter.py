"""What gixy (gixy-ng) finds in a configuration: mistakes that nginx accepts."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deepseek_local import proc
from deepseek_local.errors import ProxyError

_TIMEOUT_SECONDS = 60.0


class Finding(msgspec.Struct, frozen=True):
    """One mistake."""

    severity: str
    plugin: str
    """Name of the check."""
    summary: str


def look(configuration: Path) -> list[Finding] | None:
    """Return what it finds; None where it is not installed. Raises `ProxyError` when it fails."""
    program = shutil.which("gixy")
    if program is None:
        return None
    try:
        ended = proc.run(
            (program, "-f", "json", str(configuration)), {"PATH": os.environ.get("PATH", "")}, _TIMEOUT_SECONDS
        )
        return list(_findings(ended.output))
    except (OSError, msgspec.DecodeError) as error:
        raise ProxyError(
            f"gixy cannot judge the configuration ({error}); try it by hand, or remove it from PATH"
        ) from error


def _findings(output: str) -> Sequence[Finding]:
    return msgspec.json.decode(output, type=list[Finding])
