"""One connection to the sequencer: a lone record leaves at once, in whole, and before whoever sent it goes on."""

import asyncio
import json
import select
import socket

from scripted_sequencer import append, read_cseq

LONG = {"act": "test", "parts": ["x" * 250] * 50}
"""A record of more than 12 KB."""


def test_a_lone_record_has_left_before_its_sender_goes_on(run):
    ours = []

    async def script(reader, writer):
        ours.append(writer)
        writer.write(b'{"ack":%d}\n' % await read_cseq(reader))
        writer.write(b'{"ack":%d}\n' % await read_cseq(reader))

    async def scenario(client):
        await append(client)
        record = client.append("admin", LONG)
        # No turn of the event loop has passed.
        readable, _, _ = select.select([ours[0].get_extra_info("socket").fileno()], [], [], 0)
        assert readable
        await record

    run(script, scenario)


def test_a_record_that_the_kernel_takes_in_parts_arrives_whole_and_in_order(run):
    arrived = []

    async def script(reader, writer):
        writer.write(b'{"ack":%d}\n' % await read_cseq(reader))
        lines = [await reader.readline() for _ in range(2)]
        arrived.extend(json.loads(line) for line in lines)
        writer.write(b'{"ack":%d}\n' % arrived[-1]["cseq"])

    async def scenario(client):
        await append(client)
        client._link._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        await asyncio.gather(client.append("admin", LONG), client.append("admin", {"act": "short"}))
        assert [line["act"] for line in arrived] == ["test", "short"]
        assert arrived[0]["parts"] == LONG["parts"]

    run(script, scenario)
