"""A `deepseek-local serve` in a process of its own, for tests that look at it from outside."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx


def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Return when the condition holds; the test fails when it does not come to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


def children(pid: int) -> tuple[int, ...]:
    """Return the direct children of a process."""
    try:
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return ()


def lives(pid: int) -> bool:
    """Whether a process exists and is not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _all_processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


class Served:
    """One running `serve`."""

    def __init__(
        self,
        profile: str,
        home: Path,
        model: Path,
        sets: Sequence[str],
        environment: Mapping[str, str],
        *,
        terminal: int | None = None,
    ) -> None:
        self.home = home
        self.model = model
        self.log = home.parent / f"{home.name}-{uuid.uuid4().hex[:8]}.log"
        options = [part for text in sets for part in ("--set", text)]
        argv = [sys.executable, "-m", "deepseek_local", "serve", "--profile", profile, "--model", str(model)]
        if terminal is not None:
            argv = ["setsid", "--ctty", *argv]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*argv, "--home", str(home), *options],
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=terminal is None,
            )

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def until_said(self, text: str, seconds: float = 60.0, count: int = 1) -> None:
        """Wait for a text in the output; a `serve` that ends without it fails the test with all that it said."""
        until(
            lambda: self.said.count(text) >= count or self.process.poll() is not None,
            f"{text!r} in {self.said!r}",
            seconds,
        )
        assert self.said.count(text) >= count, (
            f"serve ended with {self.process.returncode}:\n{self.said}\n{self.engine_log()}"
        )

    def until_ready(self, seconds: float = 60.0, count: int = 1) -> None:
        self.until_said("ready after", seconds, count)

    def engine_log(self) -> str:
        log = self.home / "log" / "engine.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    @property
    def engine(self) -> int:
        return self._child("deepseek_local.engine.launcher")

    @property
    def sequencer(self) -> int:
        return self._child("audit")

    def _child(self, word: str) -> int:
        for pid in children(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if word in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                    return pid
        raise AssertionError(f"there is no child with {word} in its command line")

    @property
    def token(self) -> str:
        return (self.home / "run" / "local.token").read_text().strip()

    def client(self, **options: object) -> httpx.Client:
        """Return a client of the front door as the local principal."""
        socket = self.home / "run" / "front.sock"
        transport = httpx.HTTPTransport(uds=str(socket), verify=False)
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(
            base_url="http://localhost", transport=transport, headers=headers, trust_env=False, **options
        )

    def processes(self) -> tuple[int, ...]:
        """Return every living process whose command line or environment names this home directory: all that came from here."""
        return tuple(pid for pid in _all_processes() if self._mine(pid))

    def _mine(self, pid: int) -> bool:
        try:
            texts = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False
        return pid != os.getpid() and lives(pid) and any(str(self.home).encode() in text for text in texts)

    def ask_to_stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def exit_code(self, seconds: float = 60.0) -> int:
        return self.process.wait(seconds)

    def clean_up(self) -> None:
        """End whatever is left, so that no test leaves processes to the next."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(0.1)
        for pid in (self.process.pid, *self.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory with a short path: those of Unix sockets may not be longer than 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="dsl-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
