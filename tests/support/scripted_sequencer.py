"""A sequencer that follows a script, and a client of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from deepseek_local.audit.client import AuditClient

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Scenario = Callable[[AuditClient], Awaitable[None]]

RECORD = {"act": "test"}


async def play(path: Path, script: Script, scenario: Scenario, timeout_seconds: float = 20.0) -> None:
    """Let the server follow the script, and the client the scenario; the client leaves first."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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


async def read_cseq(reader: asyncio.StreamReader) -> int:
    cseq: int = json.loads(await reader.readline())["cseq"]
    return cseq


def answer(*parts: bytes) -> Script:
    """Answer the first record with these pieces, `%d` being its `cseq`."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cseq = await read_cseq(reader)
        for part in parts:
            writer.write(part % cseq if b"%d" in part else part)
            await writer.drain()
            await asyncio.sleep(0)

    return script


async def append(client: AuditClient) -> None:
    await client.append("admin", RECORD)
