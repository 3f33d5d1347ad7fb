"""
Send mutated requests to a running front door and hold answers, audit log and engine against each other.

    python -m tests.fuzz.run [--requests 200000] [--seed 1] [--parser both] [--connections 48] [--json FILE]

Exits with 1 if anything does not hold. The same seed sends the same requests.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from deepseek_local.profile.front_door import Bans, Limits, Quota
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings
from tests.fuzz.cases import case
from tests.fuzz.client import Connections, Protocol
from tests.fuzz.findings import collect, findings
from tests.integration.gateway.conftest import BODY_BYTES, PARSERS, Door

ROOT = Path(__file__).parents[2]


class FuzzedDoor(Door):
    """A front door in a process of its own."""

    def settings(self) -> GatewaySettings:
        changes = {
            "limits": Limits(body_bytes=BODY_BYTES, body_timeout_seconds=0.2),
            "bans": Bans(failures=100_000),
            # Quotas that are counted and never full.
            "quotas": (Quota(principal="*", tokens_per_minute=10**12, concurrent_streams=10**6),),
            "audit_timeout_seconds": 20.0,
        }
        return super().settings().model_copy(update=changes)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Serve until the context ends; then everything is written down."""
        file = self.directory / "gateway.json"
        file.write_text(self.settings().model_dump_json())
        file.chmod(0o600)
        self.sequencer.start()
        descriptor = self.listeners[0].fileno()
        command = [sys.executable, "-m", "tests.fuzz.server", str(descriptor), self.http, str(self.seen_file)]
        environment = {**os.environ, GATEWAY_VARIABLE: str(file)}
        with (self.directory / "server.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=(descriptor,), stderr=log)
        try:
            assert self.client.get("/health").status_code == 200
            yield
        finally:
            process.terminate()
            process.wait(30)
            self.client.close()
            self.listeners[0].close()
            self.sequencer.stop()

    @property
    def seen_file(self) -> Path:
        return self.directory / "seen.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """What one run came to."""

    parser: str
    sent: int
    seconds: float
    statuses: dict[str, int]
    by_mutation: dict[str, dict[str, int]]
    decisions: int
    reached_engine: int
    findings: list[str]


def fuzz(parser: str, requests: int, seed: int, connections: int) -> Result:
    """Send this many requests to a door behind this HTTP parser."""
    with tempfile.TemporaryDirectory() as directory:
        door = FuzzedDoor(Path(directory), parser)
        tokens = (
            door.root,
            door.root,
            door.olga,
            door.olga,
            door.ann,
            door.canary,
            None,
            door.root[:-1] + "x",
            "nonsense",
        )
        cases = (case(seed, index, tokens) for index in range(requests))
        with door.apart():
            started_seconds = time.monotonic()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                protocol = runner.run(Connections(door.port, cases).run(connections))
            seconds = time.monotonic() - started_seconds
        evidence = collect(protocol, door.sequencer.directory, door.seen_file)
    statuses, by_mutation = _counts(protocol)
    return Result(
        parser,
        protocol.sent,
        round(seconds, 2),
        statuses,
        by_mutation,
        len(evidence.decisions),
        len(evidence.seen),
        findings(evidence),
    )


def _counts(protocol: Protocol) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    statuses: Counter[str] = Counter()
    by_mutation: dict[str, Counter[str]] = {}
    for sent, answer in protocol.answers:
        status = str(answer.status) if answer.request_id else f"{answer.status} (server)"
        statuses[status] += 1
        for mutation in sent.mutations:
            by_mutation.setdefault(mutation, Counter())[status] += 1
    return dict(sorted(statuses.items())), {
        name: dict(sorted(found.items())) for name, found in sorted(by_mutation.items())
    }


def table(result: Result) -> str:
    """Write one result for people."""
    columns = list(result.statuses)
    rows = [["all", *map(str, result.statuses.values())]]
    rows += [[name, *(str(found.get(status, "")) for status in columns)] for name, found in result.by_mutation.items()]
    lines = [["mutation", *columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns) + 1)]
    body = "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return (
        f"{result.parser}: {result.sent} requests in {result.seconds} s ({result.sent / result.seconds:.0f}/s), "
        f"{result.decisions} decisions recorded, {result.reached_engine} reached the engine, {len(result.findings)} findings\n{body}"
    )


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description="Fuzz the front door.", allow_abbrev=False)
    parser.add_argument("--requests", type=int, default=200_000, help="how many, over all parsers together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parser", choices=[*PARSERS, "both"], default="both")
    parser.add_argument("--connections", type=int, default=48)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    parsers = list(PARSERS) if options.parser == "both" else [options.parser]
    results = []
    for name in parsers:
        results.append(fuzz(name, options.requests // len(parsers), options.seed, options.connections))
        print(table(results[-1]), *results[-1].findings, sep="\n", flush=True)
    if options.json:
        results_as_data = [{name: getattr(result, name) for name in Result.__slots__} for result in results]
        options.json.write_text(json.dumps(results_as_data, indent=2) + "\n")
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
