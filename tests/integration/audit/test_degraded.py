"""What falls out of the ring of `degraded` while the real sequencer is dead, and the record that tells of it."""

import asyncio
import signal

import pytest

from deepseek_local.audit.client import AuditClient
from deepseek_local.audit.degraded import DegradedClient
from tests.integration.audit.conftest import of

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_ring_that_overflows_leaves_one_gap_with_the_number_that_was_lost(make_sequencer, fault: signal.Signals):
    sequencer = make_sequencer()
    sequencer.start()

    async def outage() -> None:
        client = DegradedClient(AuditClient(sequencer.socket, 0.2), ring_records=3, retry_seconds=0.01)
        await client.append("admin", {"act": "before"})
        sequencer.process.send_signal(fault)
        if fault is signal.SIGKILL:
            sequencer.ended()
        for number in range(10):
            await client.append("admin", {"act": "meanwhile", "number": number})
        if fault is signal.SIGKILL:
            sequencer.start()
        else:
            sequencer.process.send_signal(signal.SIGCONT)
        await client.finish(30)
        await client.append("admin", {"act": "after"})
        client.close()

    asyncio.run(outage())
    assert sequencer.end()[0] == 0
    records = sequencer.records()
    told = [record for record in records if record["kind"] in {"admin", "gap"}]
    late = [record["number"] for record in told if record.get("act") == "meanwhile"]
    (gap,) = of(records, "gap")
    assert (told[0]["act"], told[-1]["act"]) == ("before", "after")
    assert late[-3:] == [7, 8, 9]
    # A stopped sequencer has the first line in its socket already and writes it when it goes on, before it hears of the gap.
    assert set(range(10)) - set(late) <= set(range(7))
    assert gap["reason"] == "degraded"
    assert gap["count"] >= len(set(range(10)) - set(late)) > 0
    assert gap["since"] <= gap["until"]
    assert all(record["late_us"] > 0 for record in told if record.get("number") in {7, 8, 9})
