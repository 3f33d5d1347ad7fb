"""An allowed request between engine and client, where the client leaves or whoever waits is cancelled: one outcome, always."""

import asyncio
import hashlib
import hmac
from typing import Any

import pytest

from deepseek_local.digest_keys import DigestKey
from deepseek_local.gateway.body import Replay
from deepseek_local.gateway.exchange import Exchange
from deepseek_local.gateway.outcome import Outcome
from deepseek_local.keyed_hash import KeyedHash

KEY = DigestKey("k7", KeyedHash(bytes(32)))
START = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b"late"}


class Journal:
    """Keeps what is recorded; a record takes until `go_on`."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.written = asyncio.Event()

    def append(self, kind: str, fields: dict[str, Any]) -> "asyncio.Future[None]":
        # As the real one: cancelling the future does not take the record back.
        return asyncio.shield(self._append(kind, fields))

    async def _append(self, kind: str, fields: dict[str, Any]) -> None:
        self.asked.set()
        await self.go_on.wait()
        self.records.append({"kind": kind, **fields})
        self.written.set()


async def left() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def nowhere(_: Any) -> None:
    """Take what is sent to a client that is gone."""


async def run(app: Any, journal: Journal) -> None:
    await Exchange("id", Outcome("id", journal, KEY), Replay(b"{}", left), nowhere).run(app, {"type": "http"})


async def stubborn(_: Any, receive: Any, send: Any) -> None:
    """Answer although the client has left."""
    await receive()
    assert await receive() == {"type": "http.disconnect"}
    await send(START)
    await send(LAST)


def test_an_answer_to_a_client_that_has_left_is_recorded_as_aborted():
    async def scenario() -> None:
        journal = Journal()
        journal.go_on.set()
        await run(stubborn, journal)
        (record,) = journal.records
        assert (record["kind"], record["aborted"], record["answer"]["bytes"]) == ("outcome", True, 4)

    asyncio.run(scenario())


def test_cancelling_who_waits_neither_loses_nor_doubles_the_record():
    async def scenario() -> None:
        journal = Journal()
        answering = asyncio.create_task(run(stubborn, journal))
        await journal.asked.wait()
        answering.cancel()
        await asyncio.sleep(0)
        journal.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await answering
        await asyncio.wait_for(journal.written.wait(), 10)
        assert [record["kind"] for record in journal.records] == ["outcome"]

    asyncio.run(scenario())


class SlowCapture:
    """Keeps texts, each as soon as `go_on` says so."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def keep(self, text: bytes) -> str:
        self.asked.set()
        await self.go_on.wait()
        self.texts.append(text)
        return "sha256:00"


def test_cancelling_who_waits_loses_neither_the_captured_text_nor_the_record():
    async def scenario() -> None:
        journal, capture = Journal(), SlowCapture()
        journal.go_on.set()
        outcome = Outcome("id", journal, KEY, capture=capture)
        exchange = Exchange("id", outcome, Replay(b"{}", left), nowhere)
        answering = asyncio.create_task(exchange.run(stubborn, {"type": "http"}))
        await capture.asked.wait()
        answering.cancel()
        await asyncio.sleep(0)
        assert journal.records == []
        capture.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await answering
        await asyncio.wait_for(journal.written.wait(), 10)
        assert capture.texts == [b"late"]
        assert [record["answer"]["capture"] for record in journal.records] == ["sha256:00"]

    asyncio.run(scenario())


def test_an_engine_that_was_cancelled_while_it_waited_gets_no_last_bytes_through():
    async def scenario() -> None:
        journal, got = Journal(), []

        async def obstinate(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            with pytest.raises(asyncio.CancelledError):
                await send(LAST)
            with pytest.raises(asyncio.CancelledError):
                await send(LAST)

        async def keep(message: Any) -> None:
            got.append(message)

        exchange = Exchange("id", Outcome("id", journal, KEY), Replay(b"{}", left), keep)
        answering = asyncio.create_task(exchange.run(obstinate, {"type": "http"}))
        await journal.asked.wait()
        answering.cancel()
        await answering
        assert got == []
        journal.go_on.set()
        await asyncio.wait_for(journal.written.wait(), 10)

    asyncio.run(scenario())


WORD = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
START_OF_STREAM = b'data: {"choices":[{"delta":{"role":"assistant"}}],"usage":null}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = {**START, "headers": [(b"content-type", b"text/event-stream; charset=utf-8")]}
JSON = {**START, "headers": [(b"content-type", b"application/json")]}


def digest_of(parts: list[bytes]) -> dict[str, Any]:
    digest = hmac.new(bytes(32), b"".join(parts), hashlib.sha256).hexdigest()
    return {"hmac": f"k7:{digest}", "bytes": sum(map(len, parts))}


def answered(start: dict[str, Any], parts: list[bytes], *, hides_usage: bool) -> tuple[list[bytes], dict[str, Any]]:
    """Let the engine answer in these parts; return those that the client got, and the record."""

    async def scenario() -> tuple[list[bytes], dict[str, Any]]:
        journal = Journal()
        journal.go_on.set()
        got: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            # What ends the answer for a client must not be there before its record.
            assert journal.records or not message.get("body", b"").endswith(DONE)
            got.append(message)

        async def engine(_scope: Any, _receive: Any, send_on: Any) -> None:
            await send_on(start)
            for part in parts:
                await send_on({"type": "http.response.body", "body": part, "more_body": True})
            await send_on({"type": "http.response.body", "body": b"", "more_body": False})

        exchange = Exchange("id", Outcome("id", journal, KEY), Replay(b"{}", left), send, hides_usage=hides_usage)
        await exchange.run(engine, {"type": "http"})
        assert got[0]["type"] == "http.response.start"
        assert got[-1].get("more_body") is False
        return [message["body"] for message in got[1:-1]], journal.records[0]

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([WORD, WORD, USAGE, DONE], [WORD, WORD, DONE]),
        ([WORD + WORD + USAGE + DONE], [WORD + WORD + DONE]),
        ([WORD, USAGE + DONE], [WORD, DONE]),
        ([WORD, USAGE[:9], USAGE[9:], DONE], [WORD, DONE]),
        ([WORD[:9], WORD[9:], WORD, USAGE, DONE[:5], DONE[5:]], [WORD, WORD, DONE]),
        ([WORD, WORD[:9], WORD[9:], USAGE, DONE], [WORD, WORD, DONE]),
        ([USAGE, DONE], [DONE]),
    ],
)
def test_usage_that_was_not_asked_for_is_counted_and_not_shown(parts: list[bytes], expected: list[bytes]):
    got, record = answered(STREAM, parts, hides_usage=True)
    assert got == expected
    assert record["tokens"] == {"in": 3, "out": 4}
    assert record["answer"] == digest_of(expected)


@pytest.mark.parametrize("count", [1, 2, 400, 1_000])
def test_the_digest_is_that_of_all_bytes_that_left(count: int):
    sent = [START_OF_STREAM, *[WORD] * count, DONE]
    got, record = answered(STREAM, sent, hides_usage=False)
    assert record["answer"] == digest_of(got)
    assert record["chunks"] == len(sent)


def test_no_stream_holds_more_than_its_share_of_undigested_bytes():
    async def scenario() -> None:
        exchange = Exchange("id", Outcome("id", Journal(), KEY), Replay(b"{}", left), nowhere)
        await exchange._send(STREAM)
        for _ in range(1_000):
            await exchange._send({"type": "http.response.body", "body": WORD, "more_body": True})
            assert sum(map(len, exchange._passed)) <= 16_384 + len(WORD)

    asyncio.run(scenario())


def test_usage_that_was_asked_for_is_shown():
    got, record = answered(STREAM, [WORD, USAGE, DONE], hides_usage=False)
    assert got == [WORD, USAGE, DONE]
    assert record["tokens"] == {"in": 3, "out": 4}


def test_an_answer_that_is_no_stream_is_never_touched():
    answer = b'{"choices":[],"usage":{"prompt_tokens":3}}\n\n'
    got, _ = answered(JSON, [answer], hides_usage=True)
    assert got == [answer]


def test_the_tokens_of_an_answer_are_known_when_its_record_is_under_way():
    async def scenario() -> None:
        journal = Journal()
        journal.go_on.set()
        outcome = Outcome("id", journal, KEY)
        assert outcome.tokens is None
        outcome.count(b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}')
        await outcome.settle(aborted=False)
        assert outcome.tokens == {"in": 3, "out": 4}

    asyncio.run(scenario())
