"""What the log of an API server process says about the records on their way."""

import asyncio
import json
import logging

import pytest

from deepseek_local.audit.client import AuditClient
from deepseek_local.audit.degraded import DegradedClient
from deepseek_local.errors import AuditError, NoRoomError
from deepseek_local.gateway.journal import Journal


def test_that_records_stop_and_that_they_go_on_is_logged_once_each(tmp_path, caplog):
    path = tmp_path / "audit.sock"
    served = asyncio.Event()

    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(b'{"ack":%d}\n' % json.loads(line)["cseq"])
        writer.close()
        served.set()

    async def scenario():
        journal = Journal(AuditClient(path, 5.0))
        for _ in range(3):
            with pytest.raises(AuditError, match="cannot be reached"):
                await journal.append("admin", {"act": "test"})
        async with await asyncio.start_unix_server(serve, path):
            for _ in range(3):
                await journal.append("admin", {"act": "test"})
            journal.close()
            await served.wait()

    asyncio.run(scenario())
    stopped, again = caplog.record_tuples
    assert stopped[:2] == ("deepseek_local.gateway.journal", logging.ERROR)
    assert stopped[2].startswith(
        "requests are refused with 503 until their records can be written: the audit sequencer"
    )
    assert again[1:] == (logging.WARNING, "records can be written again")


def test_a_record_that_cannot_be_one_is_told_to_its_caller_only(tmp_path, caplog):
    async def scenario():
        journal = Journal(AuditClient(tmp_path / "audit.sock", 5.0))
        with pytest.raises(AuditError, match="needs the field req"):
            journal.append("decision", {})

    asyncio.run(scenario())
    assert caplog.record_tuples == []


def test_a_log_without_room_is_complained_of_once_a_minute(tmp_path, caplog):
    served = asyncio.Event()

    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(b'{"full":%d}\n' % json.loads(line)["cseq"])
        writer.close()
        served.set()

    async def scenario():
        path = tmp_path / "audit.sock"
        async with await asyncio.start_unix_server(serve, path):
            journal = Journal(AuditClient(path, 5.0))
            for _ in range(3):
                with pytest.raises(NoRoomError):
                    await journal.append("admin", {"act": "test"})
            journal.close()
            await served.wait()

    asyncio.run(scenario())
    ((_, level, said),) = caplog.record_tuples
    assert level == logging.ERROR
    assert said.startswith("requests are refused with 503 until there is room for their records: ")


def test_degraded_mode_is_announced_and_goes_on(tmp_path, caplog):
    async def scenario():
        client = DegradedClient(AuditClient(tmp_path / "audit.sock", 0.1))
        journal = Journal(client)
        journal.begin()
        await journal.append("admin", {"act": "test"})
        journal.close()

    asyncio.run(scenario())
    announced, consequence, ended = (each[2] for each in caplog.record_tuples)
    assert announced.startswith("AUDIT MODE DEGRADED: ")
    assert consequence.startswith("requests are answered without a durable record until their records can be written: ")
    assert ended == "2 audit records end with this process, nothing could take them"


def test_strict_mode_announces_nothing(tmp_path, caplog):
    async def scenario():
        journal = Journal(AuditClient(tmp_path / "audit.sock", 0.1))
        journal.begin()
        await journal.finish()
        journal.close()

    asyncio.run(scenario())
    assert caplog.record_tuples == []
