"""The real witness as a process of its own, and the real `submit`."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.cli.main import main, run
from deepseek_local.witness import memory
from deepseek_local.witness.memory import Book

PATIENCE_SECONDS = 20.0
PROGRAM = [sys.executable, "-m", "deepseek_local", "audit", "witness"]
_LISTENING = re.compile(r"listening on (https?://\S+)")


class WitnessProcess:
    """A witness with its directory; started again, it is at another address."""

    def __init__(self, directory: Path, name: str, policy: Path) -> None:
        self.directory = directory
        self.policy = policy
        self.name = name
        self.key = str(memory.create(directory, f"audit.example/{name}").verifier)
        self.url = ""
        self._log = directory.with_name(f"{name}.log")
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self, *options: str, program: Sequence[str] = (*PROGRAM, "serve")) -> None:
        """Start it."""
        where = ["--directory", str(self.directory), "--policy", str(self.policy), "--listen", "127.0.0.1:0"]
        with self._log.open("w") as log:  # a pipe that nobody reads would fill up and stop it
            self.process = subprocess.Popen([*program, *where, *options], stderr=log)

    def listen(self) -> None:
        """Wait until it listens."""
        pause = threading.Event()
        while (match := _LISTENING.search(self._log.read_text())) is None:
            assert self.process.poll() is None, f"the witness ended: {self._log.read_text()}"
            pause.wait(0.02)
        self.url = match[1]

    def start(self, *options: str, program: Sequence[str] = (*PROGRAM, "serve")) -> None:
        """Start it and wait until it listens."""
        self.begin(*options, program=program)
        self.listen()

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.ended()

    def ended(self) -> int:
        """Wait for its end; return how it ended."""
        return self.process.wait(PATIENCE_SECONDS)

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def seen(self) -> dict[str, str]:
        """What it remembers: a note of each origin."""
        return json.loads((self.directory / "memory.json").read_text())["seen"]


@dataclass(frozen=True)
class Done:
    """How a submission ended."""

    code: int
    out: str
    err: str


def submit(directory: Path, policy: Path, *options: str) -> Done:
    """Submit the log of a directory, in this process: starting one takes longer than all the rest."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["audit", "witness", "submit", *_where(directory, policy), *options])
    return Done(code, out.getvalue(), err.getvalue())


def submit_by_process(directory: Path, policy: Path, *options: str) -> Callable[[], Done]:
    """Begin to submit in a process of its own; the function that comes back waits for its end."""
    command = [*PROGRAM, "submit", *_where(directory, policy), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait() -> Done:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return Done(process.returncode, out, err)

    return wait


def _where(directory: Path, policy: Path) -> list[str]:
    return ["--directory", str(directory), "--policy", str(policy)]


def die_after_keeping() -> None:
    """Be the witness that is killed with signal 9 after it has remembered its first checkpoint, before it answers."""
    keep = Book.keep

    def keep_and_die(book: Book, *arguments: object) -> None:
        keep(book, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    Book.keep = keep_and_die
    main()


if __name__ == "__main__":
    die_after_keeping()
