"""The policy is edited while clients ask without a pause: nobody notices but whom the edit concerns."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import httpx
import pytest

from deepseek_local.files import write_atomic
from tests.integration.gateway.conftest import USERS, Door, wait_until

pytestmark = pytest.mark.integration

EDITS = 4
CLIENTS = 3
IN_FORCE_SECONDS = 1.0
WITHOUT = USERS.replace("g, u:ann, analyst\n", "")
BODY = {"model": "m", "messages": []}


@dataclass(frozen=True)
class Answer:
    began: float
    status: int
    ended: float


class Client:
    """Asks the same for the same principal, again and again, on a connection of its own."""

    def __init__(self, door: Door, token: str, method: str, path: str) -> None:
        self.answers: list[Answer] = []
        self._ask = (method, f"http://127.0.0.1:{door.port}{path}")
        self._headers = {"authorization": f"Bearer {token}"}

    def run(self, enough: threading.Event) -> None:
        method, url = self._ask
        with httpx.Client(timeout=20, headers=self._headers) as client:
            while not enough.is_set():
                began = time.monotonic()
                response = client.request(method, url, json=BODY if method == "POST" else None)
                self.answers.append(Answer(began, response.status_code, time.monotonic()))


@pytest.fixture
def crowd(door: Door) -> Iterator[tuple[list[Client], Client]]:
    """Clients whom no edit concerns, and one whom every edit concerns; all ask until the test is over."""
    others = [Client(door, door.olga, "POST", "/v1/chat/completions") for _ in range(CLIENTS)]
    ann = Client(door, door.ann, "GET", "/v1/models")
    enough = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        running = [pool.submit(client.run, enough) for client in (*others, ann)]
        try:
            wait_until(lambda: all(client.answers for client in (*others, ann)), "everybody has an answer")
            yield others, ann
        finally:
            enough.set()
            for each in running:
                each.result()


def test_an_edit_takes_effect_under_load_with_no_failed_request(door: Door, crowd: tuple[list[Client], Client]):
    others, ann = crowd
    first_seq = len(door.sequencer.records())
    edits = [edit(door, ann, number) for number in range(EDITS)]
    assert {answer.status for client in others for answer in client.answers} == {200}
    assert {answer.status for answer in ann.answers} == {200, 403}
    for (at, status), (until, _) in zip(edits, [*edits[1:], (time.monotonic(), 0)], strict=True):
        heard = {
            answer.status for answer in ann.answers if at + IN_FORCE_SECONDS < answer.began and answer.ended < until
        }
        assert heard == {status}
    records = door.sequencer.records()[first_seq:]
    decided = [record["pol"] for record in records if record["kind"] == "decision"]
    loaded = [(record["before"], record["pol"]) for record in records if record["kind"] == "policy_load"]
    assert len(loaded) == EDITS
    assert [digest for digest, _ in groupby(decided)] == [loaded[0][0], *(after for _, after in loaded)]
    assert len({digest for digest, _ in loaded}) == 2


def edit(door: Door, ann: Client, number: int) -> tuple[float, int]:
    """Take ann's role away or give it back; return when, and what she must hear from a second later on."""
    taken = number % 2 == 0
    write_atomic(door.policy, (WITHOUT if taken else USERS).encode())
    at = time.monotonic()
    wait_until(lambda: ann.answers[-1].began > at + IN_FORCE_SECONDS, "ann has asked a second after the edit")
    return at, 403 if taken else 200
