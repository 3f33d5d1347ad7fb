"""
What the front door costs: servers bare and behind the whole front door, under the same load, in front of two kinds of engine.

    python benchmarks/front_door.py [--engine stub|vllm] [--seconds 3] [--rounds 3] [--directory DIR] [--beside] [--json]

    stub    a minimal server in the frame that vLLM uses (uvicorn, Starlette), which does nothing: an answer of 300 bytes at once, or a
            stream of 128 chunks. Nobody runs that; it is the worst case, for whatever is put before it is nearly all there is.
    vllm    vLLM's own API server with a stub for its engine core only (`vllm_server`), which tokenizes, checks, detokenizes and writes
            its chunks as always: what a site runs, without the time of a model. In front of a model, the front door's share is smaller.

Requests have 2 KB; a plain answer comes at once, a stream has 128 chunks, each in a turn of the event loop of its own, as tokens come.
`wrk` drives the servers of an engine in turn within one run, so that what else the machine does meets them alike; every figure is the
median over the rounds, and every difference or ratio is taken within a round first. Behind the front door each request has a token, a
guarded body, a casbin decision, two counters of a quota in SQLite (none when unlimited) and two durable audit records. With `--beside`,
nginx with `auth_request` and LiteLLM's proxy stand before the minimal stub in the same run (see `doors`). Without `--engine` both kinds
are measured, one after the other; names of vLLM's figures end in `_vllm`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import doors
import vllm_doors
from comparison import BARE, Round, summary, table
from load import CASES, Case, Target, measure

ENGINES = ("stub", "vllm")
VLLM_WAVES_SECONDS = 8
"""64 streams of vLLM's server go in step and take 2 s together; this is several times that."""


def engines(chosen: str | None) -> tuple[str, ...]:
    """Return the engines to measure, all that are here when none was chosen. Ends the program when the chosen one is not."""
    missing = vllm_doors.missing()
    if chosen == "stub" or missing is None:
        return (chosen,) if chosen else ENGINES
    if chosen == "vllm":
        raise SystemExit(missing)
    print(f"only the minimal stub is measured, not vLLM's server: {missing}", file=sys.stderr)
    return ("stub",)


def duration(engine: str, case: Case, seconds: int) -> int:
    """Return how long a reading shall last."""
    return max(seconds, VLLM_WAVES_SECONDS) if engine == "vllm" and case.stream and case.connections > 1 else seconds


def run(engine: str, options: argparse.Namespace) -> dict[str, list[Round]]:
    """Measure every case, all servers in turn; the first, shorter round only warms up."""
    readings: dict[str, list[Round]] = {case.name: [] for case in CASES}
    with tempfile.TemporaryDirectory(dir=options.directory) as name, ExitStack() as stack:
        directory = Path(name)
        targets = started(engine, stack, directory, beside=options.beside)
        for number in range(options.rounds + 1):
            for case in CASES:
                seconds = duration(engine, case, options.seconds) if number else 1
                # The order changes from round to round, so that none always runs on the warmer machine.
                order = list(targets) if number % 2 else list(reversed(targets))
                taken = {server: measure(case, targets[server], seconds, directory) for server in order}
                if number:
                    readings[case.name].append({server: taken[server] for server in targets})
    return readings


def started(engine: str, stack: ExitStack, directory: Path, *, beside: bool) -> dict[str, Target]:
    """Start the servers of one engine, the bare one first."""
    return doors.started(stack, directory, beside=beside) if engine == "stub" else vllm_doors.started(stack, directory)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, help="measure only this one")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--directory", type=Path, help="where the audit log is written; its disk is part of what is measured"
    )
    parser.add_argument(
        "--beside", action="store_true", help="measure nginx with auth_request and LiteLLM too, before the minimal stub"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    doors.needed("wrk", "apt-get install wrk")
    figures: dict[str, object] = {}
    for engine in engines(options.engine):
        readings = run(engine, options)
        names = [name for name in next(iter(readings.values()))[0] if name != BARE]
        found = summary(readings, names, engine)
        if not options.json:
            print("\n".join([*table(readings, names, engine), "", *(f"{n} = {v}" for n, v in found.items()), ""]))
        suffix = "" if engine == "stub" else f"_{engine}"
        figures |= {**found, f"rounds{suffix}": as_plain(readings)}
    if options.json:
        print(json.dumps(figures))


def as_plain(readings: Mapping[str, list[Round]]) -> dict[str, list[dict[str, dict[str, float]]]]:
    """Return readings as JSON has them."""
    return {
        case: [{server: asdict(reading) for server, reading in each.items()} for each in taken]
        for case, taken in readings.items()
    }


if __name__ == "__main__":
    main()
