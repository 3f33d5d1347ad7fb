"""The degraded client against a server that comes late, goes away, or has no room."""

import asyncio
import contextlib
import json
import logging

import pytest

from deepseek_local.audit.client import AuditClient
from deepseek_local.audit.degraded import DegradedClient
from deepseek_local.errors import AuditError

pytestmark = pytest.mark.timeout(20)


class Server:
    """Keeps the records that it acknowledges; `refuse` names a request that it has no room for."""

    def __init__(self, path) -> None:
        self.path = path
        self.written: list[dict] = []
        self.refuse: str | None = None
        self.loses_answers = False
        self.changed = asyncio.Condition()
        self.serving: list[asyncio.Task] = []

    async def serve(self, reader, writer) -> None:
        self.serving.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                record = json.loads(line)
                if record.get("req", record["kind"]) == self.refuse:
                    writer.write(b'{"full":%d}\n' % record["cseq"])
                    continue
                async with self.changed:
                    self.written.append(record)
                    self.changed.notify_all()
                if self.loses_answers:
                    break
                writer.write(b'{"ack":%d}\n' % record["cseq"])
        writer.close()
        await writer.wait_closed()

    async def has(self, count: int) -> list[dict]:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.written) >= count)
        return self.written

    @contextlib.asynccontextmanager
    async def serving_until_closed(self, client):
        """Serve; at the end the client goes first."""
        async with await asyncio.start_unix_server(self.serve, self.path):
            yield
            client.close()
            await asyncio.gather(*self.serving, return_exceptions=True)


class Watcher:
    def __init__(self) -> None:
        self.losses = 0
        self.failures = 0

    def written(self, _):
        pass

    def failed(self, _):
        self.failures += 1

    def turned_away(self, _):
        self.failures += 1

    def lost(self, count):
        self.losses += count


@pytest.fixture
def run(tmp_path):
    """Run a scenario with a client whose ring holds four records, and a server that is not started yet."""

    def run(scenario):
        async def main():
            server, watcher = Server(tmp_path / "audit.sock"), Watcher()
            client = DegradedClient(AuditClient(server.path, 0.1), ring_records=4, retry_seconds=0.01)
            client.watch(watcher)
            await scenario(client, server, watcher)
            client.close()

        asyncio.run(main())

    return run


def append(client, name: str):
    return client.append("decision", {"req": name, "dec": "allow"})


def names(records) -> list[str]:
    return [record.get("req", record["kind"]) for record in records]


def test_while_acknowledgements_come_nothing_is_held(run):
    async def scenario(client, server, watcher):
        async with server.serving_until_closed(client):
            await asyncio.gather(*(append(client, f"r{number}") for number in range(10)))
            assert names(server.written) == [f"r{number}" for number in range(10)]
            assert not any("late_us" in record for record in server.written)
        assert watcher.losses == watcher.failures == 0

    run(scenario)


def test_without_a_sequencer_nobody_waits_and_records_come_later_in_order(run):
    async def scenario(client, server, watcher):
        for number in range(4):
            await append(client, f"r{number}")
        async with server.serving_until_closed(client):
            await client.finish(10)
            await append(client, "r4")
        assert names(server.written) == ["r0", "r1", "r2", "r3", "r4"]
        assert [record.get("late_us", 0) > 0 for record in server.written] == [True] * 4 + [False]
        assert watcher.losses == 0

    run(scenario)


def test_what_fell_out_is_told_before_the_rest(run):
    async def scenario(client, server, watcher):
        for number in range(10):
            await append(client, f"r{number}")
        async with server.serving_until_closed(client):
            await client.finish(10)
        (place,) = [place for place, record in enumerate(server.written) if record["kind"] == "gap"]
        gap, before, rest = server.written[place], server.written[:place], server.written[place + 1 :]
        assert names(before) in ([], ["r0"])  # it may be in flight while the others fall out
        assert names(rest) == ["r6", "r7", "r8", "r9"]
        assert (gap["count"], gap["reason"]) == (6 - place, "degraded")
        assert gap["since"] <= gap["until"]
        assert watcher.losses == 6 - place

    run(scenario)


def test_a_volume_without_room_holds_records_too(run):
    async def scenario(client, server, watcher):
        server.refuse = "r1"
        async with server.serving_until_closed(client):
            await asyncio.gather(*(append(client, f"r{number}") for number in range(4)))
            assert names(await server.has(3)) == ["r0", "r2", "r3"]
            await append(client, "r4")
            server.refuse = None
            await client.finish(10)
        assert names(server.written) == ["r0", "r2", "r3", "r1", "r4"]
        assert watcher.failures >= 1

    run(scenario)


def test_a_record_whose_acknowledgement_was_lost_is_written_again(run):
    async def scenario(client, server, watcher):
        server.loses_answers = True
        async with server.serving_until_closed(client):
            await append(client, "r0")
            await server.has(1)
            server.loses_answers = False
            await client.finish(10)
        assert set(names(server.written)) == {"r0"}
        assert "late_us" not in server.written[0]
        assert server.written[-1]["late_us"] > 0
        assert watcher.losses == 0

    run(scenario)


def test_a_process_that_ends_says_what_it_takes_along(run, caplog):
    async def scenario(client, _, watcher):
        await append(client, "r0")
        await append(client, "r1")
        await client.finish(0.01)
        client.close()
        assert watcher.losses == 2

    run(scenario)
    assert (logging.ERROR, "2 audit records end with this process, nothing could take them") in [
        each[1:] for each in caplog.record_tuples
    ]


def test_a_record_that_cannot_be_one_still_fails(run):
    async def scenario(client, *_):
        with pytest.raises(AuditError, match="needs the field req"):
            client.append("decision", {})

    run(scenario)
