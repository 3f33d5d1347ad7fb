"""The real witness as a process of its own, and the real `submit`."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
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
    """A witness with his directory; started again, he is at another address."""

    def __init__(self, directory: Path, name: str, policy: Path) -> None:
        self.directory = directory
        self.policy = policy
        self.name = name
        self.key = str(memory.create(directory, f"audit.example/{name}").verifier)
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def begin(self, *options: str, program: Sequence[str] = (*PROGRAM, "serve")) -> None:
        """Start him."""
        where = ["--directory", str(self.directory), "--policy", str(self.policy), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen([*program, *where, *options], stderr=subprocess.PIPE, text=True)

    def listen(self) -> None:
        """Wait until he listens."""
        said = ""
        while (match := _LISTENING.search(said)) is None:
            line = self.process.stderr.readline()
            assert line, f"the witness ended with {self.ended()}: {said}"
            said += line
        self.url = match[1]

    def start(self, *options: str, program: Sequence[str] = (*PROGRAM, "serve")) -> None:
        """Start him and wait until he listens."""
        self.begin(*options, program=program)
        self.listen()

    def kill(self) -> None:
        """End him without warning."""
        self.process.kill()
        self.ended()

    def ended(self) -> int:
        """Wait for his end; return how he ended."""
        self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def seen(self) -> dict[str, str]:
        """What he remembers: a note of each origin."""
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
    """Be the witness that is killed with signal 9 after he has remembered his first checkpoint, before he answers."""
    keep = Book.keep

    def keep_and_die(book: Book, *arguments: object) -> None:
        keep(book, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    Book.keep = keep_and_die
    main()


if __name__ == "__main__":
    die_after_keeping()
