"""Degraded mode at the whole front door: answers while the sequencer is away, and their records afterwards."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_local.profile.handover import GatewaySettings
from deepseek_local.profile.schema import AuditMode
from tests.integration.gateway.conftest import Door, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


class DegradedDoor(Door):
    def settings(self) -> GatewaySettings:
        return super().settings().model_copy(update={"audit_mode": AuditMode.DEGRADED})


@pytest.fixture
def degraded(tmp_path: Path) -> Iterator[DegradedDoor]:
    door = DegradedDoor(tmp_path, "httptools")
    with door.serving():
        yield door


def kinds(door: Door, response) -> list[str]:
    return [record["kind"] for record in door.records_of(response)]


def test_the_mode_is_on_record_before_the_first_decision(degraded: Door):
    response = degraded.ask(degraded.olga)
    records = degraded.sequencer.records()
    (announced,) = [record for record in records if record.get("act") == "degraded_mode"]
    assert announced["seq"] < degraded.decision(response)["seq"]


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_requests_go_on_and_their_records_come_late_and_in_order(degraded: Door, fault: signal.Signals):
    before = degraded.ask(degraded.olga)
    degraded.sequencer.signal(fault)
    meanwhile = [degraded.ask(degraded.olga) for _ in range(3)]
    assert [response.status_code for response in meanwhile] == [200] * 3
    refused = degraded.ask(None)
    assert refused.status_code == 401

    degraded.sequencer.signal(signal.SIGCONT)
    if fault is signal.SIGKILL:
        degraded.sequencer.start()
    wait_until(lambda: kinds(degraded, refused) != [], "the last record is written")
    asked = [before, *meanwhile]
    assert all({*kinds(degraded, response)} == {"decision", "outcome"} for response in asked)
    order = [degraded.records_of(response)[0]["seq"] for response in asked]
    assert order == sorted(order)
    assert "late_us" not in degraded.decision(before)
    late = [record["late_us"] for response in meanwhile for record in degraded.records_of(response)[-2:]]
    assert all(each > 0 for each in late)
