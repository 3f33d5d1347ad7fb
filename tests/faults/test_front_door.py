"""A disk that fills up, seen by clients of the whole front door."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.conftest import Disk
from tests.integration.gateway.conftest import Door, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.faults, pytest.mark.timeout(120)]


@pytest.fixture
def door(disk: Disk, tmp_path: Path) -> Iterator[Door]:
    """A front door whose audit log has a small disk of its own."""
    home = tmp_path / "home"
    home.mkdir()
    made = Door(home, "httptools")
    made.sequencer.directory = disk.log
    with made.serving():
        yield made


def test_new_requests_get_503_and_running_ones_their_outcome(door: Door, disk: Disk):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(door.chat, kind="answer", pause=True)
        wait_until(lambda: len(door.engine.seen) == 1, "the engine has the request")
        disk.leave(3)

        for token in (door.olga, None):
            refused = door.ask(token)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_record")
            assert refused.headers["retry-after"] == "5"
        assert len(door.engine.seen) == 1
        assert door.ask(None, "GET", "/health").status_code == 200

        door.engine.go_on.set()
        assert running.result(20).status_code == 200
        assert door.outcome(running.result())["status"] == 200

    disk.ballast.unlink()
    assert door.ask(door.olga).status_code == 200
