"""The sequencer's keeper where the sequencer cannot come up, or lives and hangs; its death is tested under a running `serve`."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import lives, short_directory, until

from deepseek_local.errors import LaunchError
from deepseek_local.proc import Command
from deepseek_local.supervisor import sequencer, sockets
from deepseek_local.supervisor.sequencer import SequencerKeeper


@pytest.fixture
def runtime() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


class Silence:
    """A journal of which nobody asks what is in it."""

    async def note(self, *_: str, **__: str) -> bool:
        return True


def keeper_of(runtime: Path, *arguments: str) -> SequencerKeeper:
    command = Command((sys.executable, *arguments), dict(os.environ), runtime / "log")
    return SequencerKeeper(command, runtime / "audit.sock", Silence())


def start(runtime: Path, program: str) -> None:
    asyncio.run(keeper_of(runtime, "-c", program).start())


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


@pytest.mark.parametrize("fault", ["hangs", "cannot be reached"])
def test_one_that_lives_but_does_not_react_is_replaced(runtime: Path, monkeypatch, fault: str) -> None:
    for name, value in {"_LOOK_SECONDS": 0.05, "_REACTION_SECONDS": 1.0}.items():
        monkeypatch.setattr(sequencer, name, value)
    places = ("--directory", str(runtime / "audit"), "--socket", str(runtime / "audit.sock"))
    keeper = keeper_of(runtime, "-m", "deepseek_local", "audit", "serve", *places)

    async def live() -> None:
        await keeper.start()
        keeper.keep()
        old = keeper._child.pid
        try:
            if fault == "hangs":
                os.kill(old, signal.SIGSTOP)
            else:
                (runtime / "audit.sock").unlink()
            await asyncio.to_thread(until, lambda: not lives(old), "the end of the one that hangs")
            await asyncio.to_thread(until, lambda: sockets.answers(runtime / "audit.sock"), "its successor")
            assert await sockets.reacts(runtime / "audit.sock", timeout_seconds=20)
        finally:
            await keeper.stop()

    asyncio.run(live())


def test_a_kernel_that_accepts_for_a_process_is_no_reaction(runtime: Path) -> None:
    path = runtime / "audit.sock"
    assert not asyncio.run(sockets.reacts(path, timeout_seconds=20))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert sockets.answers(path)
        assert not asyncio.run(sockets.reacts(path, timeout_seconds=0.05))
