"""An allowed request between engine and client, where the client leaves or whoever waits is cancelled: one outcome, always."""

import asyncio
from typing import Any

import pytest

from deepseek_local.gateway.body import Replay
from deepseek_local.gateway.exchange import Exchange
from deepseek_local.gateway.outcome import Outcome

START = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b"late"}


class Journal:
    """Keeps what is recorded; a record takes until `go_on`."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    def append(self, kind: str, fields: dict[str, Any]) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._append(kind, fields))

    async def _append(self, kind: str, fields: dict[str, Any]) -> None:
        self.asked.set()
        await self.go_on.wait()
        self.records.append({"kind": kind, **fields})


async def left() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def nowhere(_: Any) -> None:
    """Take what is sent to a client that is gone."""


async def run(app: Any, journal: Journal) -> None:
    await Exchange("id", Outcome("id", journal), Replay(b"{}", left), nowhere).run(app, {"type": "http"})


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
        assert (record["kind"], record["aborted"], record["bytes"]) == ("outcome", True, 4)

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
        assert [record["kind"] for record in journal.records] == ["outcome"]

    asyncio.run(scenario())
