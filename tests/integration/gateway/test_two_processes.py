"""Two API server processes of one deployment: one quota, one policy, one order of records."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import front_door_process
import httpx
import pytest

from deepseek_local.files import write_atomic
from deepseek_local.profile.front_door import Quota
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings
from deepseek_local.quota.sqlite import SQLiteLedger
from tests.integration.gateway.conftest import USERS, Door, wait_until

pytestmark = pytest.mark.integration

LIMIT = 25
BURST = 60
CHAT = {"model": "m", "messages": [], "max_tokens": 1}


class Pair(Door):
    """The files of a front door, and two processes that serve it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "httptools")
        self.processes: list[subprocess.Popen[str]] = []
        self.clients: list[httpx.Client] = []

    def settings(self) -> GatewaySettings:
        quota = Quota(principal="u:olga", requests_per_minute=LIMIT, concurrent_streams=BURST)
        return super().settings().model_copy(update={"quotas": (quota,)})

    def start(self) -> None:
        self.sequencer.start()
        file = self.directory / "gateway.json"
        write_atomic(file, self.settings().model_dump_json().encode())
        environment = {**os.environ, GATEWAY_VARIABLE: str(file)}
        for _ in range(2):
            command = (sys.executable, front_door_process.__file__)
            self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
        for process in self.processes:
            base_url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
            self.clients.append(httpx.Client(base_url=base_url, timeout=20))

    def stop(self) -> None:
        for client in (self.client, *self.clients):
            client.close()
        for process in self.processes:
            process.terminate()
            process.wait(20)
            process.stdout.close()
        self.sequencer.stop()
        for listener in self.listeners:
            listener.close()

    def ask_at(self, number: int, token: str) -> httpx.Response:
        """Ask the first process and the second in turn."""
        headers = {"authorization": f"Bearer {token}"}
        return self.clients[number % 2].post("/v1/chat/completions", json=CHAT, headers=headers)

    def statuses(self, token: str) -> list[int]:
        return [self.ask_at(number, token).status_code for number in range(2)]

    def forget(self) -> None:
        async def reset() -> None:
            ledger = SQLiteLedger(self.directory / "quota.db", 5.0)
            await ledger.reset(None)
            await ledger.close()

        asyncio.run(reset())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("pair"))
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


def burst(pair: Pair) -> list[httpx.Response]:
    """Ask both at the same time, all within one minute of the clock, which is the window of the quota."""
    while True:
        pair.forget()
        minute = time.time() // 60
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: pair.ask_at(number, pair.olga), range(BURST)))
        if time.time() // 60 == minute:
            return answers


def test_one_quota_holds_over_both_to_the_request(pair: Pair):
    statuses = [answer.status_code for answer in burst(pair)]
    assert (statuses.count(200), statuses.count(429)) == (LIMIT, BURST - LIMIT)
    assert 200 in statuses[0::2]
    assert 200 in statuses[1::2]


def test_an_edit_of_the_policy_is_in_force_in_both_within_a_second(pair: Pair):
    assert pair.statuses(pair.ann) == [403, 403]
    write_atomic(pair.policy, USERS.replace("u:ann, analyst", "u:ann, operator").encode())
    wait_until(lambda: pair.statuses(pair.ann) == [200, 200], "both let ann in", 1)
    write_atomic(pair.policy, USERS.encode())
    wait_until(lambda: pair.statuses(pair.ann) == [403, 403], "both refuse ann", 1)


def test_the_records_of_both_are_one_order_without_a_gap(pair: Pair):
    asked = {answer.headers["x-request-id"] for answer in burst(pair)}
    records = pair.sequencer.records()
    assert [record["seq"] for record in records] == list(range(records[0]["seq"], records[0]["seq"] + len(records)))
    decided = [record["req"] for record in records if record["kind"] == "decision"]
    assert len(decided) == len(set(decided))
    assert asked <= set(decided)
    allowed = [record["req"] for record in records if record.get("dec") == "allow"]
    ended = [record["req"] for record in records if record["kind"] == "outcome"]
    assert sorted(allowed) == sorted(ended)
