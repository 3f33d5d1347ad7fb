"""A device that answers with EIO, one that loses what it confirmed, and a clock that root sets: in a kernel of our own."""

import pytest

from tests.faults import user_mode_linux

pytestmark = [
    pytest.mark.integration,
    pytest.mark.root,
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(user_mode_linux.why_not() is not None, reason=str(user_mode_linux.why_not())),
]

BEFORE, AFTER = list(range(20)), list(range(100, 110))


def call(place, scenario: str) -> dict:
    """Run a scenario, whose log verifies whatever happened to it."""
    verdict = user_mode_linux.call(place, "tests.faults.inside", scenario)
    assert (verdict["verified"], verdict["problems"]) == ("intact", [])
    return verdict


def test_a_write_error_ends_the_sequencer_and_what_was_acknowledged_is_there(tmp_path):
    verdict = call(tmp_path, "failing_writes")
    assert verdict["acknowledged"] == len(BEFORE)
    assert verdict["code"] == 1
    assert "segment-000001.jsonl: Input/output error (EIO); the disk is failing" in verdict["said"]
    numbers = verdict["numbers"]
    # The record that got the error may be there or not; nobody was told either way.
    assert [number for number in numbers if number != len(BEFORE)] == BEFORE + AFTER


def test_a_power_cut_takes_nothing_that_the_device_had_really_written(tmp_path):
    verdict = call(tmp_path, "power_loss")
    assert verdict["acknowledged"] == len(BEFORE)
    assert verdict["lied"] > 0, "the device is meant to confirm what it drops"
    assert verdict["numbers"] == BEFORE + AFTER


def test_a_clock_set_back_is_on_record_and_the_order_stays(tmp_path):
    verdict = call(tmp_path, "set_clock_back")
    assert verdict["numbers"] == list(range(10))
    (step,) = verdict["steps"]
    assert step < -86_400 * 10**9
    assert verdict["mono"] == sorted(verdict["mono"])
