"""A sequencer that somebody else keeps: it is waited for, never started and never ended."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import short_directory

from deepseek_local.errors import LaunchError
from deepseek_local.supervisor.foreign_sequencer import ForeignSequencer


@pytest.fixture
def place() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory / "audit.sock"


def test_it_is_waited_for_until_it_listens(place: Path) -> None:
    async def come_late() -> None:
        starting = asyncio.create_task(ForeignSequencer(place).start())
        await asyncio.sleep(0)
        assert not starting.done()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen()
            await starting

    asyncio.run(come_late())


def test_one_that_does_not_come_ends_the_start(place: Path) -> None:
    with pytest.raises(LaunchError, match=r"no audit sequencer answers at .*audit\.sock after 0\.05 s; start it"):
        asyncio.run(ForeignSequencer(place, patience_seconds=0.05).start())


def test_its_socket_stays_when_we_end(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        foreign = ForeignSequencer(place)
        asyncio.run(foreign.start())
        foreign.keep()
        foreign.kill()
        asyncio.run(foreign.stop())
        assert place.is_socket()
