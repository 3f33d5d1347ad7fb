"""
The one place that starts processes: a command goes in, a child that leads its own session comes out.

A session of its own (setsid(2)) keeps a terminal's Ctrl-C away from the child, so that the supervisor decides what a signal means, and
gives everything that the child starts one process group, which `kill_group` ends with one call (killpg(3)).
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: arguments, the whole environment (nothing is inherited), and the file that takes its output."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    output: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed on both streams."""

    code: int
    output: str


@dataclass(frozen=True, slots=True, repr=False)
class Piped:
    """Bytes that a command reads from a pipe, which its arguments name: so they are in no list of processes and on no disk."""

    content: bytes
    """At most 4,096 bytes, which every pipe takes without a reader."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a command ended, with what it answered apart from what it complained of."""

    code: int
    answer: str
    complaint: str


class Child:
    """A started process and its group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Return the process id, which is also the id of its group and session."""
        return self._process.pid

    async def wait(self) -> int:
        """Return the exit code, or the negative number of the signal that ended the process."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask the process itself to end; its own children are its business, since only it knows their order."""
        if self._process.returncode is None:
            self._process.terminate()

    def kill_group(self) -> None:
        """End the process and everything that it started, at once."""
        self._signal_group(signal.SIGKILL)

    def group_lives(self) -> bool:
        """Whether any process of the group still exists, also after its leader has gone."""
        return self._signal_group(0)

    def _signal_group(self, number: int) -> bool:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def run(argv: tuple[str, ...], environment: Mapping[str, str], timeout_seconds: float) -> Ended:
    """Run a short command to its end; it inherits nothing. Raises `OSError`, also a `TimeoutError` after killing it."""
    try:
        done = subprocess.run(
            argv,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{argv[0]} did not end within {timeout_seconds:g} s") from error
    return Ended(done.returncode, done.stdout.decode(errors="replace"))


def ask(argv: Sequence[str | Piped], environment: Mapping[str, str], timeout_seconds: float) -> Answered:
    """
    Run a command that must not be cut off by a Ctrl-C, and give it what is `Piped`; it inherits nothing else.

    Raises `OSError`, also a `TimeoutError` after killing it.
    """
    descriptors: list[int] = []
    try:
        words = [each if isinstance(each, str) else f"/proc/self/fd/{_pipe(each, descriptors)}" for each in argv]
        done = subprocess.run(
            words,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=descriptors,
            timeout=timeout_seconds,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{words[0]} did not end within {timeout_seconds:g} s") from error
    finally:
        for each in descriptors:
            os.close(each)
    return Answered(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def _pipe(piped: Piped, descriptors: list[int]) -> int:
    reader, writer = os.pipe()
    descriptors.append(reader)
    try:
        os.write(writer, piped.content)
    finally:
        os.close(writer)
    return reader


async def spawn(command: Command) -> Child:
    """Start the command; its output is appended to the file, which gets mode 0640. Raises `OSError`."""
    descriptor = os.open(command.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    return Child(process)


def describe_exit(code: int) -> str:
    """Say how a process ended: `exit code 1`, `killed by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
