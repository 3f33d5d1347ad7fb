"""The real sequencer as a process of its own, and what it wrote."""

import contextlib
import hashlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import segment_files
from waiting import PATIENCE_SECONDS, wait_until

from deepseek_local.audit.client import append_once


class Sequencer:
    """One place for a log, and the processes that write it one after the other."""

    def __init__(self, place: Path, log: Path) -> None:
        self.place = place
        self.log = log
        self.socket = place / "audit.sock"
        self.process: subprocess.Popen[str] | None = None

    def command(self, *options: str) -> list[str]:
        where = ["--directory", str(self.log), "--socket", str(self.socket), "--node", "gpu01"]
        return [sys.executable, "-m", "deepseek_local", "audit", "serve", *where, *options]

    def start(self, *options: str) -> int:
        """Start and wait until clients are accepted; return the process id."""
        self.process = subprocess.Popen(self.command(*options), stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self.accepts() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stderr.read()
        return self.process.pid

    def accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    def refused(self, *options: str) -> str:
        """Start where no start is possible; return what the process said when it gave up with exit code 1."""
        result = subprocess.run(
            self.command(*options), capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
        assert result.returncode == 1, result
        return result.stderr

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait for the end; return exit code and what was said."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for the end."""
        assert self.process is not None
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        code, self.process = self.process.returncode, None
        return code, said

    def append(self, **fields: object) -> None:
        append_once(self.socket, "admin", {"act": "test", **fields}, PATIENCE_SECONDS)

    def connect(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(PATIENCE_SECONDS)
        stream.connect(str(self.socket))
        return stream

    def segments(self) -> list[Path]:
        return segment_files.segments(self.log)

    def records(self) -> list[dict]:
        """Every whole record of the log, in order, after a check of everything that segments say about each other."""
        records: list[dict] = []
        torn: dict[str, tuple[int, int, str]] = {}
        for path in self.segments():
            content = segment_files.content(path)
            *lines, tail = content.split(b"\n")
            records += map(json.loads, lines)
            if tail:
                torn[path.name] = (len(content) - len(tail), len(tail), f"sha256:{hashlib.sha256(tail).hexdigest()}")
        assert [record["seq"] for record in records] == list(range(len(records)))
        self._check_seals(records)
        recovered = {
            each["segment"]: (each["offset"], each["length"], each["digest"]) for each in of(records, "recovery")
        }
        newest = self.segments()[-1].name if records else None
        assert {name: each for name, each in torn.items() if name != newest} == recovered
        return records

    def _check_seals(self, records: list[dict]) -> None:
        seals = {each["segment"]: each for each in of(records, "segment_sealed")}
        for path in self.segments()[:-1]:
            content = segment_files.content(path)
            assert seals[path.name]["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
            assert seals[path.name]["bytes"] == len(content)


def of(records: list[dict], kind: str) -> list[dict]:
    return [record for record in records if record["kind"] == kind]


@pytest.fixture
def make_sequencer(tmp_path):
    """Make a sequencer, whose log is below the test's own directory unless another one is given; what still runs is killed at the end."""
    made = []

    def make(log: Path | None = None) -> Sequencer:
        made.append(Sequencer(tmp_path, log or tmp_path / "log"))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None:
            each.process.kill()
            each.process.communicate()


@pytest.fixture
def sequencer(make_sequencer) -> Sequencer:
    """Prepare one sequencer that is not started yet."""
    return make_sequencer()
