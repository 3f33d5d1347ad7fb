"""The client against a server that follows a script: what it does with every kind of answer."""

import asyncio
import gc
import subprocess
import sys

import pytest
from scripted_sequencer import RECORD, answer, append, read_cseq

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError


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
