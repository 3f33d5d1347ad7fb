"""A disk that fills up: a warning, then no more requests, then the reserve, and back again without a hand."""

import asyncio

import pytest
import verified

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError, NoRoomError
from deepseek_local.evidence.report import Verdict
from tests.integration.audit.conftest import of

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.faults, pytest.mark.timeout(120)]

DECISION = {"req": "r", "dec": "allow"}
LONG = {f"note{number}": "x" * 250 for number in range(16)}
LONG_BYTES = 16 * 250


def acts(records) -> list[str]:
    return [record["act"] for record in of(records, "admin") if record["act"].startswith("disk_")]


def append_until_refused(sequencer) -> int:
    """Return how many records were acknowledged."""
    for number in range(100_000):
        try:
            sequencer.append(number=number, **LONG)
        except AuditError:
            return number
    raise AssertionError("the disk does not fill up")


@pytest.fixture
def running(make_sequencer, disk):
    sequencer = make_sequencer(disk.log)
    sequencer.start()
    return sequencer


def ask(sequencer, scenario) -> None:
    """Run a scenario with one client and its one connection."""

    async def main() -> None:
        client = AuditClient(sequencer.socket, 20.0)
        try:
            await scenario(client)
        finally:
            client.close()

    asyncio.run(main())


def test_the_front_door_closes_before_the_disk_is_full_and_opens_by_itself(running, disk):
    async def scenario(client: AuditClient) -> None:
        await client.append("decision", DECISION)
        assert acts(running.records()) == []

        disk.leave(10)
        await client.append("decision", DECISION)
        assert acts(running.records()) == ["disk_low"]

        disk.leave(3)
        await client.append("outcome", {"req": "r"})
        for kind in ("decision", "auth_fail", "tls_fail"):
            with pytest.raises(NoRoomError, match="the volume of its log is nearly full"):
                await client.append(kind, DECISION)
        await client.append("outcome", {"req": "r"})
        await client.append("admin", {"act": "test"})
        assert acts(running.records()) == ["disk_low", "disk_full"]

        disk.leave(5.5)
        with pytest.raises(NoRoomError):
            await client.append("decision", DECISION)

        disk.leave(10)
        await client.append("decision", DECISION)
        disk.ballast.unlink()
        await client.append("decision", DECISION)
        assert acts(running.records()) == ["disk_low", "disk_full", "disk_low", "disk_room"]

    ask(running, scenario)
    records = running.records()
    assert len(of(records, "decision")) == 4
    assert len(of(records, "client_hello")) == 1  # nothing of all this cost the connection
    assert running.end()[0] == 0
    assert verified.report(running.log).verdict is Verdict.INTACT


def test_administrators_get_the_reserve(running, disk):
    reserve = disk.log / "reserve"
    running.append()
    held = reserve.stat().st_blocks * 512
    assert held > 100_000

    disk.leave_nothing()
    count = 0
    while count * LONG_BYTES < held // 3:
        running.append(**LONG)
        count += 1
    assert not reserve.exists()
    assert acts(running.records()) == ["disk_full"]

    disk.ballast.unlink()
    running.append()
    assert reserve.stat().st_blocks * 512 == held
    assert acts(running.records())[-1] == "disk_room"
    assert len([record for record in running.records() if record.get("note1")]) == count


def test_the_last_byte_ends_the_sequencer_and_costs_nothing_that_was_acknowledged(running, disk):
    disk.leave_nothing()
    acknowledged = append_until_refused(running)
    code, said = running.ended()
    assert (code, "No space left on device (ENOSPC)" in said) == (1, True)
    assert acknowledged > 0

    assert "ENOSPC" in running.refused()
    disk.ballast.unlink()
    running.start()
    running.append(number=acknowledged)
    numbers = [record["number"] for record in running.records() if "number" in record]
    assert numbers == list(range(acknowledged + 1))
    assert running.end()[0] == 0
    assert verified.report(running.log).verdict is Verdict.INTACT
