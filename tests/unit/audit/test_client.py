"""The client against a server that follows a script: what it does with every kind of answer."""

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError, NoRoomError

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

RECORD = {"act": "test"}


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request, tmp_path):
    """Run a scenario with a client of a server that follows a script, on both event loops."""

    def run(script: Script, scenario, timeout_seconds: float = 20.0) -> None:
        async def main():
            path = tmp_path / "audit.sock"
            done = asyncio.Event()

            async def serve(reader, writer):
                await script(reader, writer)
                await done.wait()
                writer.close()

            async with await asyncio.start_unix_server(serve, path):
                client = AuditClient(path, timeout_seconds)
                try:
                    await scenario(client)
                finally:
                    client.close()
                    done.set()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop if request.param == "uvloop" else None) as runner:
            runner.run(main())

    return run


async def read_cseq(reader) -> int:
    return json.loads(await reader.readline())["cseq"]


def answer(*parts: bytes) -> Script:
    """Answer the first record with these pieces, `%d` being its `cseq`."""

    async def script(reader, writer):
        cseq = await read_cseq(reader)
        for part in parts:
            writer.write(part % cseq if b"%d" in part else part)
            await writer.drain()
            await asyncio.sleep(0)

    return script


async def append(client) -> None:
    await client.append("admin", RECORD)


def test_an_append_returns_on_its_acknowledgement(run):
    run(answer(b'{"ack":%d}\n'), append)


def test_an_acknowledgement_may_come_in_pieces(run):
    run(answer(b'{"a', b'ck":%d', b"}\n"), append)


def test_one_acknowledgement_stands_for_all_before_it(run):
    async def script(reader, writer):
        cseqs = [await read_cseq(reader) for _ in range(3)]
        assert cseqs == [cseqs[0], cseqs[0] + 1, cseqs[0] + 2]
        writer.write(b'{"ack":%d}\n' % cseqs[1])

    async def scenario(client):
        first, second, third = (asyncio.create_task(append(client)) for _ in range(3))
        await asyncio.gather(first, second)
        assert not third.done()
        third.cancel()

    run(script, scenario)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "something else than its protocol"),
        (b"\xff\xfe\n", "something else than its protocol"),
        (b'{"error":"cseq 3 follows 4; it must grow"}\n', "refused a record: cseq 3 follows 4; it must grow"),
        (b"x" * 70_000, "a line has more than 15360 bytes"),
    ],
)
def test_any_other_answer_fails_everybody_who_waits(run, said, reason):
    async def scenario(client):
        results = await asyncio.gather(append(client), append(client), return_exceptions=True)
        assert [type(each) for each in results] == [AuditError, AuditError]
        assert reason in str(results[0])

    run(answer(said), scenario)


def test_a_volume_without_room_costs_records_and_not_the_connection(run):
    async def script(reader, writer):
        cseqs = [await read_cseq(reader) for _ in range(4)]
        writer.write(b'{"ack":%d}\n{"full":%d}\n{"ack":%d}\n' % (cseqs[0], cseqs[2], cseqs[3]))
        writer.write(b'{"ack":%d}\n' % await read_cseq(reader))

    async def scenario(client):
        watcher = Watcher()
        client.watch(watcher)
        results = await asyncio.gather(*(append(client) for _ in range(4)), return_exceptions=True)
        assert [type(each) for each in results] == [type(None), NoRoomError, NoRoomError, type(None)]
        assert "the volume of its log is nearly full" in str(results[1])
        await append(client)
        assert (len(watcher.seconds), watcher.errors) == (3, ["no room"])

    run(script, scenario)


def test_silence_fails_when_the_time_is_over(run):
    async def scenario(client):
        with pytest.raises(AuditError, match=r"did not confirm a record within 0\.05 s"):
            await append(client)

    run(answer(), scenario, timeout_seconds=0.05)


def test_a_late_acknowledgement_confirms_nothing(run):
    asked = asyncio.Event()
    connections = []

    async def script(reader, writer):
        connections.append(writer)
        cseq = await read_cseq(reader)
        if len(connections) == 1:
            await asked.wait()  # the second record has been sent, on another connection
            writer.write(b'{"ack":%d}\n' % (cseq + 1))
        else:
            asked.set()

    async def scenario(client):
        for _ in range(2):
            with pytest.raises(AuditError, match="did not confirm"):
                await append(client)
        assert len(connections) == 2

    run(script, scenario, timeout_seconds=0.1)


def test_a_cancelled_append_leaves_the_others_alone(run):
    sent = asyncio.Event()

    async def script(reader, writer):
        cseqs = [await read_cseq(reader) for _ in range(3)]
        sent.set()
        await asyncio.sleep(0)
        writer.write(b'{"ack":%d}\n' % cseqs[-1])

    async def scenario(client):
        first, second, third = (asyncio.create_task(append(client)) for _ in range(3))
        await sent.wait()
        second.cancel()
        await asyncio.gather(first, third)
        with pytest.raises(asyncio.CancelledError):
            await second

    run(script, scenario)


def test_whoever_opens_the_connection_may_be_cancelled_without_harm_to_the_others(run):
    connections = []

    async def script(reader, writer):
        connections.append(writer)
        for _ in range(2):  # cancelling does not take a record back
            writer.write(b'{"ack":%d}\n' % await read_cseq(reader))

    async def scenario(client):
        first, second = asyncio.create_task(append(client)), asyncio.create_task(append(client))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert len(connections) == 1

    run(script, scenario)


def test_closing_fails_whoever_waits(run):
    sent = asyncio.Event()

    async def script(reader, _):
        await read_cseq(reader)
        sent.set()

    async def scenario(client):
        waiting = asyncio.create_task(append(client))
        await sent.wait()
        client.close()
        with pytest.raises(AuditError, match="closed its connection"):
            await waiting

    run(script, scenario)


def test_a_record_that_cannot_be_sent_harms_nobody_else(run):
    async def scenario(client):
        with pytest.raises(AuditError, match="needs the field req"):
            await client.append("decision", {})
        await append(client)

    run(answer(b'{"ack":%d}\n'), scenario)


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.errors: list[str] = []

    def written(self, seconds):
        self.seconds.append(seconds)

    def failed(self, error):
        self.errors.append(str(error))

    def turned_away(self, _):
        self.errors.append("no room")


def test_a_watcher_hears_of_every_record_that_is_on_disk_and_that_somebody_wanted(run):
    sent = asyncio.Event()

    async def script(reader, writer):
        writer.write(b'{"ack":%d}\n' % await read_cseq(reader))
        cseqs = [await read_cseq(reader) for _ in range(4)]
        sent.set()
        await asyncio.sleep(0)
        writer.write(b'{"ack":%d}\n{"ack":%d}\n' % (cseqs[1], cseqs[3]))

    async def scenario(client):
        watcher = Watcher()
        client.watch(watcher)
        await append(client)
        waiting = [asyncio.create_task(append(client)) for _ in range(4)]
        await sent.wait()
        waiting[2].cancel()
        await asyncio.wait(waiting)
        assert (len(watcher.seconds), watcher.errors) == (1 + 3, [])
        assert all(0 <= each < 20 for each in watcher.seconds)

    run(script, scenario)


def test_a_watcher_hears_of_failures_on_a_connection_and_without_one(run, tmp_path):
    async def scenario(client):
        watcher, alone = Watcher(), AuditClient(tmp_path / "nobody.sock", 1.0)
        for each in (client, alone):
            each.watch(watcher)
            with pytest.raises(AuditError):
                await append(each)
        connected, unconnected = watcher.errors
        assert "something else than its protocol" in connected
        assert "cannot be reached" in unconnected
        assert watcher.seconds == []

    run(answer(b"HTTP/1.1 400 Bad Request\r\n"), scenario)


def test_nobody_needs_to_ask_for_a_failure(run, tmp_path):
    """asyncio would report an exception that nobody retrieves when the future is collected."""
    complaints = []

    async def script(reader, writer):
        writer.write(b'{"ack":%d}\n' % await read_cseq(reader))
        await read_cseq(reader)
        writer.write(b"nonsense\n")

    async def scenario(client):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await append(client)
        for each in (client, AuditClient(tmp_path / "nobody.sock", 1.0)):
            await asyncio.wait([asyncio.ensure_future(each.append("admin", RECORD))])
        gc.collect()
        await asyncio.sleep(0)

    run(script, scenario)
    assert complaints == []


def test_the_client_is_light_enough_for_an_api_process():
    program = "import sys, deepseek_local.audit.client; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert not loaded & {"click", "pydantic", "deepseek_local.audit.sequencer", "deepseek_local.audit.segments"}
