"""What the front door counts is on the engine's own `/metrics`, for one API server process and for several."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PROGRAM = Path(__file__).with_name("count_and_show.py")
ROOT = Path(__file__).parents[2]


def counting(environment: Mapping[str, str], digest: str, refusals: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), digest, str(refusals)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def until_counted(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while (line := process.stdout.readline()) != "counted\n":
        assert line, "the process ended before it had counted"


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def count_and_show(environment: Mapping[str, str], *, processes: int) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Let each process count twice as much as the one before, under a policy of its own; return what the first shows."""
    running = [counting(environment, "123"[index], 2**index) for index in range(processes)]
    try:
        for process in running:
            tell(process)
        for process in running:
            until_counted(process)
        tell(running[0])
        assert running[0].stdin is not None
        assert running[0].stdout is not None
        return samples(running[0].stdout.read())
    finally:
        for process in running:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def test_one_process_shows_its_numbers():
    found = count_and_show({}, processes=1)
    assert ({"reason": "forbidden"}, 1) in found["deepseek_local_refusals_total"]
    assert found["deepseek_local_decision_seconds_count"] == [({}, 1)]
    assert found["deepseek_local_streams_running"] == [({}, 1)]
    assert found["deepseek_local_policy_fingerprint"] == [({}, 0x111111111111)]
    assert "python_info" in found


def test_any_of_several_processes_shows_the_numbers_of_all(tmp_path: Path):
    found = count_and_show({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, processes=2)
    assert ({"reason": "forbidden"}, 3) in found["deepseek_local_refusals_total"]
    assert ({"reason": "no_route"}, 0) in found["deepseek_local_refusals_total"]
    assert ({"decision": "allow"}, 2) in found["deepseek_local_decisions_total"]
    assert ({"le": "1e-05"}, 3) in found["deepseek_local_decision_seconds_bucket"]
    assert found["deepseek_local_streams_running"] == [({}, 3)]
    assert found["deepseek_local_policy_loads_total"] == [({}, 2)]
    assert len(found["deepseek_local_policy_loaded_timestamp_seconds"]) == 1
    fingerprints = found["deepseek_local_policy_fingerprint"]
    assert sorted(value for _, value in fingerprints) == [0x111111111111, 0x222222222222]
    assert [set(labels) for labels, _ in fingerprints] == [{"pid"}, {"pid"}]
    assert "python_info" not in found
