"""SIGKILL at random points of a start and of writing: nothing acknowledged is lost, nothing is numbered twice, and the log verifies."""

import asyncio
import itertools
import os
import random
import signal
import time

import pytest
import verified

from deepseek_local.audit import sequencer as sequencer_process
from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError
from deepseek_local.evidence.report import Verdict

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

# What a round is about, how often, and between which seconds the blow falls. Checkpoints come a second after a write.
STARTING, WRITING, SEALING = "starting", "writing", "sealing"
SHARES = {STARTING: 20, WRITING: 75, SEALING: 5}
SECONDS = {STARTING: (0.0, 0.03), WRITING: (0.0, 0.05), SEALING: (0.95, 1.1)}
ROUNDS = int(os.environ.get("DEEPSEEK_LOCAL_KILL_ROUNDS", "50"))
IN_FLIGHT = 48


def fork_sequencer(sequencer) -> int:
    """Start a sequencer without a new interpreter, which would take most of the time of a round."""
    child = os.fork()
    if child:
        return child
    try:
        sequencer_process.run(sequencer.log, sequencer.place, sequencer.socket, node="gpu01")
    finally:
        os._exit(70)


async def write_until_cut_off(socket, numbers, acknowledged: set[str]) -> None:
    """Keep records in flight on one connection until the sequencer is gone."""
    client = AuditClient(socket, 10.0)

    async def caller() -> None:
        while True:
            name = f"r{next(numbers)}"
            await client.append("decision", {"req": name, "dec": "allow", "pad": "x" * (hash(name) % 250)})
            acknowledged.add(name)

    try:
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    except AuditError:
        client.close()


async def write_and_kill(sequencer, child: int, numbers, acknowledged: set[str], delay: float) -> None:
    while not sequencer.accepts():  # noqa: ASYNC110 -- another process opens it
        await asyncio.sleep(0.001)
    writing = asyncio.create_task(write_until_cut_off(sequencer.socket, numbers, acknowledged))
    await asyncio.sleep(delay)
    os.kill(child, signal.SIGKILL)
    await writing


def test_no_acknowledged_record_is_lost(sequencer):
    chance = random.Random(2026)  # noqa: S311 -- the same delays on every run
    numbers, acknowledged = itertools.count(), set()
    for _ in range(ROUNDS):
        (phase,) = chance.choices(list(SHARES), SHARES.values())
        child = fork_sequencer(sequencer)
        try:
            if phase is STARTING:
                time.sleep(chance.uniform(*SECONDS[phase]))
            else:
                asyncio.run(write_and_kill(sequencer, child, numbers, acknowledged, chance.uniform(*SECONDS[phase])))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    sequencer.start()
    assert sequencer.end()[0] == 0
    report = verified.report(sequencer.log)
    assert report.verdict is Verdict.INTACT, report.problems
    records = sequencer.records()
    written = [record["req"] for record in records if record["kind"] == "decision"]
    assert len(acknowledged) > ROUNDS // 2
    assert acknowledged <= set(written)
    assert len(written) == len(set(written))
    assert len([record for record in records if record["kind"] == "start"]) > ROUNDS // 2
