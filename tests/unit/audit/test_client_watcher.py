"""What the client tells whoever watches how records fare."""

import asyncio

import pytest
from scripted_sequencer import answer, append, read_cseq

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError, NoRoomError


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
