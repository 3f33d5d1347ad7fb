"""Quotas as a request meets them: charged, refused with a reason, settled, and never in the way of one that runs."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from deepseek_local.access import Access, Body, Principal, Risk, Verdict
from deepseek_local.gateway import metering, metrics, rate_limits
from deepseek_local.gateway.metering import Charge, Meter
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.profile import handover
from deepseek_local.profile.front_door import Quota
from deepseek_local.profile.load import load
from deepseek_local.profile.places import Places
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import Exceeded, Standing
from deepseek_local.quota.tokens import Demand

ALICE = Principal("u:alice", "token", "kid")
CHAT = Access("/v1/chat/completions", "inference_chat", "execute", Risk.GUARDED, Body.JSON)
MODELS = Access("/v1/models", "model_list", "read", Risk.GUARDED, Body.NONE)
VERDICT = Verdict(allowed=True, rule="p:x", policy="sha256:", roles=frozenset({"operator"}))
DEMAND = Demand(body_bytes=100, answer_tokens=50)

DAY = Quota(principal="*", tokens_per_day=1_000_000)


class Desk:
    """A meter on a ledger in a directory of the test."""

    def __init__(self, directory, *quotas: Quota) -> None:
        profile = load("cpu-demo", environment={}, sets=())
        profile = profile.model_copy(update={"gateway": profile.gateway.model_copy(update={"quotas": quotas})})
        places = Places(directory, directory)
        self.file = places.ledger
        self.meter = Meter(handover.settings(profile, places, {}, "node"))

    async def charge(self, access: Access = CHAT, demand: Demand = DEMAND) -> Charge:
        return await self.meter.charge(ALICE, access, VERDICT, "demo", demand)

    async def refused(self) -> Refusal:
        with pytest.raises(RefusedError) as caught:
            await self.charge()
        return caught.value.refusal

    async def used(self) -> dict[str, int]:
        return {entry.kind.value: entry.used for entry in await self.meter._ledger.show()}


async def settled(desk: Desk, charge: Charge, tokens_in: int | None, tokens_out: int | None, chunks: int) -> None:
    """Settle, and wait for it."""
    task = desk.meter.settle(charge, tokens_in, tokens_out, chunks)
    if task is not None:
        await task


@pytest.fixture
def play(tmp_path) -> Callable[..., None]:
    """Run a story with a meter that is closed in the end."""

    def play(story: Callable[[Desk], Awaitable[None]], *quotas: Quota) -> None:
        async def main() -> None:
            desk = Desk(tmp_path, *quotas)
            try:
                await story(desk)
            finally:
                await desk.meter.close()

        asyncio.run(main())

    return play


def test_without_quotas_nothing_is_opened(play):
    async def story(desk):
        charge = await desk.charge()
        await settled(desk, charge, 1, 2, 3)
        assert charge == Charge()
        assert not desk.file.exists()

    play(story)


def test_what_computes_nothing_and_whom_no_quota_names_is_not_charged(play):
    async def story(desk):
        assert await desk.charge(MODELS) == Charge()
        assert await desk.charge() == Charge()
        assert not desk.file.exists()

    play(story, Quota(principal="u:bob", requests_per_minute=1))


def test_a_request_is_reserved_before_and_counts_as_used_after(play):
    async def story(desk):
        charge = await desk.charge()
        assert await desk.used() == {"tokens_per_day": 150}
        await settled(desk, charge, 20, 5, 6)
        assert await desk.used() == {"tokens_per_day": 25}

    play(story, DAY)


def test_an_answer_that_broke_off_counts_its_prompt_and_its_chunks(play):
    async def story(desk):
        await settled(desk, await desk.charge(), None, None, 7)
        assert await desk.used() == {"tokens_per_day": 107}

    play(story, DAY)


def test_a_request_is_settled_once(play):
    async def story(desk):
        charge = await desk.charge()
        await settled(desk, charge, 20, 5, 6)
        await settled(desk, charge, None, None, 6)
        assert await desk.used() == {"tokens_per_day": 25}

    play(story, DAY)


def test_a_request_runs_until_it_is_settled(play):
    async def story(desk):
        charge = await desk.charge()
        refused = await desk.refused()
        assert (refused.status, refused.reason, refused.kind) == (429, "rate_limit_exceeded", "requests")
        assert refused.retry_after_seconds == 1
        assert "1 of 1 requests at the same time for principal=u:alice are used" in refused.message
        await settled(desk, charge, 0, 0, 0)
        await desk.charge()

    play(story, Quota(principal="*", concurrent_streams=1))


def test_a_settlement_is_done_at_once(play):
    async def story(desk):
        assert desk.meter.settle(await desk.charge(), 20, 5, 6) is None
        assert await desk.used() == {"tokens_per_day": 25}

    play(story, DAY)


def test_a_settlement_goes_on_when_the_ledger_is_locked_and_nobody_waits_for_it(play):
    async def story(desk):
        charge = await desk.charge()
        with closing(sqlite3.connect(desk.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            task = desk.meter.settle(charge, 20, 5, 6)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not task.done()
            other.execute("COMMIT")
        await asyncio.gather(*desk.meter._settling)
        assert await desk.used() == {"tokens_per_day": 25}

    play(story, DAY)


def test_running_requests_are_renewed(play, monkeypatch):
    async def story(desk):
        await desk.charge()
        renewed = asyncio.Event()
        renew = desk.meter._ledger.renew

        async def listen(running):
            await renew(running)
            assert [receipt.leased for receipt in running] == [("everything",)]
            renewed.set()

        desk.meter._ledger.renew = listen
        await renewed.wait()

    monkeypatch.setattr(metering, "RENEWAL_SECONDS", 0.01)
    play(story, Quota(concurrent_streams=1))


def test_a_removed_ledger_is_noticed_by_a_process_that_only_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(metering, "RENEWAL_SECONDS", 0.01)

    async def main() -> None:
        quota = Quota(principal="*", requests_per_minute=1, tokens_per_day=150)
        other, desk = Desk(tmp_path, quota), Desk(tmp_path, quota)
        await other.charge()
        await desk.refused()
        await other.meter.close()
        for path in tmp_path.glob(f"{desk.file.name}*"):
            path.unlink()
        while True:
            try:
                await desk.charge()
                break
            except RefusedError:
                await asyncio.sleep(0.01)
        await desk.meter.close()

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_ledger_that_fails_refuses_and_is_logged_once(play, caplog):
    async def story(desk):
        desk.file.write_bytes(b"no database" * 1000)
        for _ in range(3):
            refused = await desk.refused()
            assert (refused.status, refused.reason, refused.retry_after_seconds) == (503, "no_ledger", 5)
        desk.file.unlink()
        await desk.charge()

    play(story, DAY)
    messages = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert [message.partition(" until")[0] for message in messages] == [
        "requests under a quota are refused with 503",
        "quotas can be counted again",
    ]


def test_a_ledger_that_fails_does_not_harm_a_request_that_runs(play):
    async def story(desk):
        charge = await desk.charge()

        desk.meter._ledger._connection.close()
        await settled(desk, charge, 20, 5, 6)

    play(story, DAY)


def test_the_answer_tells_what_is_left_of_the_tightest_counter_of_a_family():
    standings = [
        Standing(Counter("role=x", Kind.REQUESTS_PER_MINUTE, 100), 10, 59),
        Standing(Counter("everything", Kind.REQUESTS_PER_MINUTE, 50), 20, 59),
        Standing(Counter("everything", Kind.TOKENS_PER_DAY, 9000), 8000, 86_299),
        Standing(Counter("everything", Kind.CONCURRENT_STREAMS, 1), 1, None),
    ]
    assert dict(rate_limits.headers(standings)) == {
        b"x-ratelimit-limit-requests": b"50",
        b"x-ratelimit-remaining-requests": b"30",
        b"x-ratelimit-reset-requests": b"59s",
        b"x-ratelimit-limit-tokens": b"9000",
        b"x-ratelimit-remaining-tokens": b"1000",
        b"x-ratelimit-reset-tokens": b"23h58m19s",
    }
    assert rate_limits.headers(standings[3:]) == ()


def test_a_request_that_never_fits_is_told_not_to_come_again():
    standing = Standing(Counter("everything", Kind.TOKENS_PER_MINUTE, 100), 0, 59)
    refused = rate_limits.refusal(Exceeded(standing, 150, (standing,)))
    assert (refused.kind, refused.retry_after_seconds) == ("tokens", None)
    assert (b"x-should-retry", b"false") in refused.headers
    assert (
        "it may use 150 tokens, and there are never more than 100 tokens in a minute for everything" in refused.message
    )


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (59, "59s"), (360, "6m0s"), (86_399, "23h59m59s")])
def test_durations_are_written_as_openai_writes_them(seconds, text):
    assert rate_limits.duration(seconds) == text


def test_no_two_charges_have_the_same_name(play):
    async def story(desk):
        charges = [await desk.charge() for _ in range(5)]
        assert len({charge.receipt.id for charge in charges}) == 5

    play(story, DAY)


def test_what_is_used_and_what_is_refused_is_counted_for_prometheus(play, monkeypatch):
    counted: list[tuple[str, float]] = []
    monkeypatch.setattr(metrics, "quota_used", lambda kind, amount=1: counted.append((kind, amount)))
    monkeypatch.setattr(metrics, "quota_refused", lambda limit: counted.append((limit, 1)))

    async def story(desk):
        charge = await desk.charge()
        await desk.refused()
        await settled(desk, charge, 20, 5, 6)

    play(story, Quota(concurrent_streams=1))
    assert counted == [("requests", 1), ("concurrent_streams", 1), ("tokens", 25)]
