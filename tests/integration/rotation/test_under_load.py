"""Rotations while streams run and clients come: no stream is cut, and nobody who comes is turned away."""

import os
import ssl
import threading
from collections.abc import Callable
from http.client import HTTPSConnection

import pytest

pytestmark = pytest.mark.integration

ROTATIONS = int(os.environ.get("DEEPSEEK_LOCAL_ROTATIONS", "20"))
LINES = 60
"""Of a stream, twenty a second: it spans several rotations."""


class Load:
    """Threads that ask again and again until told to stop."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, number: int, ask: Callable[[], str]) -> None:
        def again() -> None:
            while not self._stop.is_set():
                try:
                    self.done.append(ask())
                except (OSError, AssertionError) as error:
                    self.failed.append(repr(error))

        self._threads += [threading.Thread(target=again) for _ in range(number)]
        for thread in self._threads[-number:]:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.timeout(900)
def test_rotations_under_load_drop_no_stream_and_no_new_connection(site):
    context = ssl.create_default_context(cafile=str(site.layout.trust / "server-root.pem"))
    context.load_cert_chain(str(site.bundle("u:alice")))

    def asked(path: str, lines: int) -> str:
        connection = HTTPSConnection("127.0.0.1", site.port, timeout=30, context=context)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read().splitlines()
        finally:
            connection.close()
        assert (answer.status, len(body)) == (200, lines)
        return path

    load = Load()
    with site.served():
        assert site.rotate() == 0
        load.start(3, lambda: asked(f"/stream/{LINES}", LINES))
        load.start(2, lambda: asked("/", 1))
        try:
            for _ in range(ROTATIONS):
                assert site.rotate("--now") == 0
                assert site.served_serial() == site.current_serial()
        finally:
            load.stop()
    assert load.failed == []
    assert load.done.count("/") > ROTATIONS
    assert load.done.count(f"/stream/{LINES}") >= 3
    print(f"{ROTATIONS} rotations, {len(load.done)} answers, of them {load.done.count(f'/stream/{LINES}')} streams")
