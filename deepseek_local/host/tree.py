"""
What a host shows of itself: bounded readings of files below a root, and short commands from known directories.

Whatever is missing, unreadable, too long or hanging reads as nothing: a host that is not ready is the normal case here.
"""

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_local import files, proc

_log = logging.getLogger(__name__)

_LONGEST_BYTES = 1024 * 1024
_GRACE_SECONDS = 0.5
DIRECTORIES = tuple(
    Path(each) for each in ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
)
"""Where programs are looked for: the caller's PATH does not choose what root runs."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a host below `root`."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """Return where an absolute path of the host lies."""
        return self.root / path.lstrip("/")

    def data(self, path: str) -> bytes | None:
        """Return the first MiB of a file, or None."""
        try:
            return files.read_regular(self.at(path), _LONGEST_BYTES)
        except (OSError, ValueError) as reason:
            _log.debug("%s cannot be read: %s", path, reason)
            return None

    def text(self, path: str) -> str | None:
        """Return a file as stripped text, whatever bytes it holds, or None."""
        data = self.data(path)
        return None if data is None else data.decode(errors="replace").strip()

    def names(self, path: str) -> tuple[str, ...]:
        """List a directory in order; empty if it is none."""
        try:
            return tuple(sorted(each.name for each in self.at(path).iterdir()))
        except OSError:
            return ()

    def exists(self, path: str) -> bool:
        """Whether there is something at the path."""
        try:
            return self.at(path).exists()
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Commands:
    """Programs of this host; without directories, there is none to ask."""

    directories: tuple[Path, ...] = DIRECTORIES
    timeout_seconds: float = 10.0

    def find(self, name: str) -> Path | None:
        """Return the path of a program."""
        places = (directory / name for directory in self.directories)
        return next((place for place in places if place.is_file() and os.access(place, os.X_OK)), None)

    def answer(self, name: str, *arguments: str) -> str | None:
        """
        Return what a command answers, or None if it is missing, fails or hangs.

        It is waited for in a thread: a program that a broken GPU holds inside the kernel is not even ended by SIGKILL.
        """
        program = self.find(name)
        if program is None:
            return None
        ended: list[proc.Answered] = []

        def ask() -> None:
            try:
                ended.append(self.run((str(program), *arguments), self.timeout_seconds))
            except OSError as reason:
                _log.debug("%s gave no answer: %s", name, reason)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(self.timeout_seconds + _GRACE_SECONDS)
        return ended[0].answer if ended and ended[0].code == 0 else None

    def run(self, argv: Sequence[str], timeout_seconds: float) -> proc.Answered:
        """Run a command with a plain environment. Raises `OSError`, also a `TimeoutError`."""
        environment = {"PATH": ":".join(map(str, DIRECTORIES)), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        return proc.ask(tuple(argv), environment, timeout_seconds)
