"""What the log of an API server process says about the records on their way."""

import asyncio
import json
import logging

import pytest

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError
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
