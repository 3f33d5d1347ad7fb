"""The sequencer's keeper where the sequencer cannot come up; the rest is seen from outside, by killing it under a running `serve`."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from served import short_directory

from deepseek_local.errors import LaunchError
from deepseek_local.proc import Command
from deepseek_local.supervisor.sequencer import SequencerKeeper


@pytest.fixture
def runtime() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


def start(runtime: Path, program: str) -> None:
    command = Command((sys.executable, "-c", program), {}, runtime / "log")
    keeper = SequencerKeeper(SimpleNamespace(sequencer=command, audit_socket=runtime / "audit.sock"))
    asyncio.run(keeper.start())


def test_a_stranger_on_its_socket_is_not_taken_for_it(runtime: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(runtime / "audit.sock"))
        stranger.listen()
        with pytest.raises(LaunchError, match=r"audit\.sock is in use by another process"):
            start(runtime, "raise SystemExit('must not be started')")
    assert not (runtime / "log").exists()


def test_its_last_words_are_the_reason(runtime: Path) -> None:
    with pytest.raises(LaunchError, match=r"did not start: exit code 1: no room \(log: .*log\)"):
        start(runtime, "raise SystemExit('no room')")
