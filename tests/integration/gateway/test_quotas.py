"""Quotas through the whole front door: told, enforced, recorded, and settled from what the engine says."""

import asyncio
import json
import signal
from collections.abc import Iterator

import pytest

from deepseek_local.profile.front_door import Quota
from deepseek_local.profile.handover import GatewaySettings
from deepseek_local.quota.sqlite import SQLiteLedger
from tests.integration.gateway.conftest import Door, wait_until

pytestmark = pytest.mark.integration

PLENTY = 1_000_000


class LimitedDoor(Door):
    """A front door with quotas: generous for one principal, tight for another."""

    def settings(self) -> GatewaySettings:
        quotas = (
            Quota(principal="u:olga", requests_per_minute=1000, tokens_per_day=PLENTY, concurrent_streams=64),
            Quota(principal="u:root", tokens_per_day=400, concurrent_streams=1),
        )
        return super().settings().model_copy(update={"quotas": quotas})

    def used(self, principal: str) -> dict[str, int]:
        async def show() -> dict[str, int]:
            ledger = SQLiteLedger(self.directory / "quota.db", 5.0)
            entries = await ledger.show()
            await ledger.close()
            return {entry.kind.value: entry.used for entry in entries if entry.scope == f"principal={principal}"}

        return asyncio.run(show())

    def forget(self) -> None:
        async def reset() -> None:
            ledger = SQLiteLedger(self.directory / "quota.db", 5.0)
            await ledger.reset(None)
            await ledger.close()

        asyncio.run(reset())

    def ask_for(self, token: str, max_tokens: int, **stub: object):
        return self.ask(token, json={"model": "m", "messages": [], "max_tokens": max_tokens, "metadata": stub})


@pytest.fixture(scope="module", params=["h11", "httptools"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimitedDoor]:
    door = LimitedDoor(tmp_path_factory.mktemp("door"), request.param)
    with door.serving():
        yield door


@pytest.fixture(autouse=True)
def _from_zero(door: LimitedDoor) -> None:
    door.forget()


def settled(door: LimitedDoor, principal: str, tokens: int | None) -> None:
    wait_until(lambda: door.used(principal).get("tokens_per_day") == tokens, f"{principal} has used {tokens} tokens")
    wait_until(lambda: "concurrent_streams" not in door.used(principal), f"nothing of {principal} runs")


def test_an_answer_tells_what_is_left(door: LimitedDoor):
    response = door.ask_for(door.olga, 100)
    assert response.status_code == 200
    told = {name: value for name, value in response.headers.items() if name.startswith("x-ratelimit-")}
    reserved = len(response.request.content) + 100
    assert told.pop("x-ratelimit-reset-requests").endswith("s")
    assert told.pop("x-ratelimit-reset-tokens").endswith("s")
    assert told == {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "999",
        "x-ratelimit-limit-tokens": str(PLENTY),
        "x-ratelimit-remaining-tokens": str(PLENTY - reserved),
    }


def test_a_query_is_reserved_with_every_document_that_it_is_compared_with(door: LimitedDoor):
    body = {"model": "m", "query": "q" * 100, "documents": ["a", "b", "c"]}
    response = door.ask(door.olga, path="/v1/rerank", json=body)
    left = int(response.headers["x-ratelimit-remaining-tokens"])
    assert PLENTY - left == 3 * len(response.request.content)


def test_an_answer_counts_as_the_engine_counted_it(door: LimitedDoor):
    door.ask_for(door.olga, 100)
    settled(door, "u:olga", 8)


def test_a_stream_counts_as_the_engine_counted_it(door: LimitedDoor):
    body = {"model": "m", "stream": True, "messages": [], "metadata": {"kind": "stream"}}
    assert door.ask(door.olga, json=body).status_code == 200
    settled(door, "u:olga", 12)


def test_a_request_too_many_is_refused_and_recorded(door: LimitedDoor):
    with door.client.stream(
        "POST",
        "/v1/chat/completions",
        json={"model": "m", "messages": [], "max_tokens": 1, "metadata": {"kind": "stream", "pause": True}},
        headers={"authorization": f"Bearer {door.root}"},
    ) as running:
        response = door.ask_for(door.root, 1)
        door.engine.go_on.set()
        running.read()
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert response.headers["x-ratelimit-limit-tokens"] == "400"
    error = response.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert "1 of 1 requests at the same time for principal=u:root are used" in error["message"]
    decision = door.decision(response)
    assert (decision["dec"], decision["reason"], decision["status"]) == ("deny", "rate_limit_exceeded", 429)
    assert len(door.records_of(response)) == 1


def test_a_request_that_never_fits_is_told_not_to_come_again(door: LimitedDoor):
    response = door.ask_for(door.root, 1000)
    assert response.status_code == 429
    assert "retry-after" not in response.headers
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["error"]["type"] == "tokens"
    assert door.used("u:root") == {}


def test_one_request_after_the_other_never_run_at_the_same_time(door: LimitedDoor):
    assert {door.ask_for(door.root, 1).status_code for _ in range(20)} == {200}


def test_a_client_that_leaves_gives_its_place_back(door: LimitedDoor):
    body = json.dumps({"model": "m", "messages": [], "max_tokens": 50, "metadata": {"kind": "wait"}})
    with door.client.stream(
        "POST", "/v1/chat/completions", content=body, headers={"authorization": f"Bearer {door.root}"}
    ) as response:
        assert door.used("u:root") == {"tokens_per_day": len(body) + 50, "concurrent_streams": 1}
        next(response.iter_raw())
    settled(door, "u:root", len(body) + 1)


def test_a_request_that_cannot_be_recorded_gives_back_what_it_was_charged(door: LimitedDoor):
    door.sequencer.signal(signal.SIGKILL)
    try:
        assert door.ask_for(door.olga, 100).status_code == 503
        wait_until(lambda: door.used("u:olga") == {"requests_per_minute": 1}, "the reservation is given back")
    finally:
        door.sequencer.start()
    wait_until(lambda: door.ask(door.ann, "GET", "/v1/models").status_code == 200, "requests are recorded again")


def test_a_request_on_which_the_engine_dies_gives_its_place_back(door: LimitedDoor):
    assert door.ask_for(door.root, 100, kind="die").status_code == 500
    settled(door, "u:root", None)


def test_a_request_that_the_engine_refuses_used_no_tokens(door: LimitedDoor):
    assert door.ask_for(door.olga, 100, status=400).status_code == 400
    wait_until(lambda: door.used("u:olga") == {"requests_per_minute": 1}, "the reservation is given back")


def test_what_is_only_read_and_whom_no_quota_names_is_not_counted(door: LimitedDoor):
    response = door.ask(door.ann, "GET", "/v1/models")
    assert response.status_code == 200
    assert not any(name.startswith("x-ratelimit") for name in response.headers)
    assert door.used("u:ann") == {}


def test_a_ledger_that_cannot_be_used_refuses_and_can_be_replaced(door: LimitedDoor):
    files = [door.directory / f"quota.db{suffix}" for suffix in ("", "-wal", "-shm")]
    for file in files:
        file.write_bytes(b"no database" * 1000)
    response = door.ask_for(door.olga, 1)
    for file in files:
        file.unlink(missing_ok=True)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "no_ledger"
    assert response.headers["retry-after"] == "5"
    assert door.decision(response)["reason"] == "no_ledger"
    assert door.ask(door.ann, "GET", "/v1/models").status_code == 200
    assert door.ask_for(door.olga, 1).status_code == 200
