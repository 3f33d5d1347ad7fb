"""A log with injected clocks, and what is in its directory."""

import asyncio
import json
from pathlib import Path

import pytest
import uvloop
from scripted_sequencer import Scenario, Script, play

from deepseek_local.audit.clock import Moment
from deepseek_local.audit.log import SEGMENT_BYTES, Entry, Log, Origin
from deepseek_local.audit.record import Kind
from deepseek_local.audit.wire import Request

SECOND = 1_000_000_000
NOON = Moment(1_795_521_600 * SECOND, 1000 * SECOND)
"""2026-11-24 12:00 UTC."""


class Desk:
    """A directory, the clocks that its log reads, and the logs that were opened on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys = directory.parent
        self.moment = NOON
        self.opened: list[Log] = []

    def open(self, segment_bytes: int = SEGMENT_BYTES, boot: str = "boot-1") -> Log:
        log = Log(self.directory, self.keys, Origin("gpu01", boot, 1), lambda: self.moment, segment_bytes)
        self.opened.append(log)
        return log

    def close(self, log: Log) -> None:
        """End a log as SIGKILL does: nothing more is written."""
        self.opened.remove(log)
        log.close()

    def pass_time(self, wall: float, mono: float | None = None) -> None:
        moved = wall if mono is None else mono
        self.moment = Moment(self.moment.wall + round(wall * SECOND), self.moment.mono + round(moved * SECOND))

    def segment(self, number: int) -> Path:
        return self.directory / f"segment-{number:06d}.jsonl"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.glob("segment-*"))

    def records(self, number: int) -> list[dict]:
        return [json.loads(line) for line in self.segment(number).read_bytes().split(b"\n")[:-1]]

    def kinds(self, number: int) -> list[str]:
        return [record["kind"] for record in self.records(number)]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "audit")
    yield desk
    for log in desk.opened:
        log.close()


@pytest.fixture
def entry():
    """Make an entry as a client with process id 42 asks for it."""
    return lambda cseq=1, **fields: Entry(42, Request(cseq, Kind.ADMIN, {"act": "test", **fields}))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request, tmp_path):
    """Run a scenario with a client of a sequencer that follows a script, on both event loops."""

    def run(script: Script, scenario: Scenario, timeout_seconds: float = 20.0) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if request.param == "uvloop" else None) as runner:
            runner.run(play(tmp_path / "audit.sock", script, scenario, timeout_seconds))

    return run
