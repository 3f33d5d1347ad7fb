"""
What the front door costs: one uvicorn stub engine, bare and behind the whole front door, under the same load; and what others cost.

    python benchmarks/front_door.py [--seconds 3] [--rounds 3] [--directory DIR] [--beside] [--json]

The engine is a stub without a model, in the frame that vLLM uses (uvicorn, Starlette): an answer of 300 bytes at once, or a stream of 128
chunks, each written as JSON and in a turn of the event loop of its own, as tokens come. `wrk` drives all servers in turn within one run,
so that what else the machine does meets them alike; every figure is the median over the rounds, and every difference or ratio is taken
within a round first. Requests have 2 KB. Behind the front door each has a token, a guarded body, a casbin decision, two counters of a
quota in SQLite and two durable audit records. With `--beside`, nginx with `auth_request` and LiteLLM's proxy stand in the same run (see `doors`).
"""

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import doors
from load import CASES, Case, Reading, Target, measure

Round = Mapping[str, Reading]
"""One reading of each server, taken right after one another."""

BARE = "bare"
LITELLM = Path(__file__).parent.parent / ".venv-litellm" / "bin" / "litellm"


def started(stack: ExitStack, directory: Path, *, beside: bool) -> dict[str, Target]:
    """Start the servers, the bare one first."""
    engine = doors.bare(stack)
    targets = {
        BARE: engine,
        "guarded": doors.guarded(stack, directory / "guarded", doors.QUOTAS),
        "unlimited": doors.guarded(stack, directory / "unlimited", ()),
    }
    if beside:
        targets["auth_request"] = doors.auth_request(stack, directory, engine, needed("nginx", "apt-get install nginx"))
        targets["litellm"] = doors.litellm(stack, directory, engine, needed(str(LITELLM), "make bench"))
    return targets


def needed(program: str, remedy: str) -> str:
    """Return the path of a program. Ends this one where it is missing."""
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"{program} is missing; install it with: {remedy}")
    return found


def run(targets: Mapping[str, Target], directory: Path, rounds: int, seconds: int) -> dict[str, list[Round]]:
    """Measure every case, all servers in turn; the first, shorter round only warms up."""
    readings: dict[str, list[Round]] = {case.name: [] for case in CASES}
    for number in range(rounds + 1):
        for case in CASES:
            # The order changes from round to round, so that none always runs on the warmer machine.
            order = list(targets) if number % 2 else list(reversed(targets))
            taken = {name: measure(case, targets[name], seconds if number else 1, directory) for name in order}
            if number:
                readings[case.name].append(taken)
    return readings


def summary(readings: Mapping[str, Sequence[Round]], names: Sequence[str]) -> dict[str, float]:
    """Name the figures that targets exist for, those of the front door without its name."""
    by_case = {(case.stream, case.connections): readings[case.name] for case in CASES}
    figures: dict[str, float] = {}
    for name in names:
        suffix = "" if name == "guarded" else f"_{name}"
        figures |= {
            f"added_p50_ms_c1{suffix}": added_p50_ms(by_case[False, 1], name),
            f"added_p50_ms_stream_c1{suffix}": added_p50_ms(by_case[True, 1], name),
            f"throughput_ratio_plain_c64{suffix}": throughput_ratio(by_case[False, 64], name),
            f"throughput_ratio_c64{suffix}": throughput_ratio(by_case[True, 64], name),
        }
    return figures


def added_p50_ms(rounds: Sequence[Round], name: str) -> float:
    """Median over the rounds of what a server adds to the median latency."""
    return round(statistics.median(each[name].p50_ms - each[BARE].p50_ms for each in rounds), 3)


def throughput_ratio(rounds: Sequence[Round], name: str) -> float:
    """Median over the rounds of a server's throughput by that of the bare one."""
    return round(
        statistics.median(each[name].requests_per_second / each[BARE].requests_per_second for each in rounds), 3
    )


def table(readings: Mapping[str, Sequence[Round]], names: Sequence[str]) -> list[str]:
    """Set all medians below their headings."""
    lines = [f"{'':24}{'':14}{'p50 ms':>10}{'p99 ms':>10}{'requests/s':>12}{'added p50 ms':>14}{'throughput':>12}"]
    for case in CASES:
        lines += [line(case, name, readings[case.name]) for name in (BARE, *names)]
    return lines


def line(case: Case, name: str, rounds: Sequence[Round]) -> str:
    """Write one server under one load; the load is named once."""
    p50, p99, rate = (
        statistics.median(getattr(each[name], field) for each in rounds)
        for field in ("p50_ms", "p99_ms", "requests_per_second")
    )
    start = f"{case.name if name == BARE else '':24}{name:14}{p50:>10.2f}{p99:>10.2f}{rate:>12.0f}"
    return (
        start if name == BARE else f"{start}{added_p50_ms(rounds, name):>14.2f}{throughput_ratio(rounds, name):>12.2f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--directory", type=Path, help="where the audit log is written; its disk is part of what is measured"
    )
    parser.add_argument("--beside", action="store_true", help="measure nginx with auth_request and LiteLLM too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    needed("wrk", "apt-get install wrk")
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name, ExitStack() as stack:
        targets = started(stack, Path(name), beside=arguments.beside)
        readings = run(targets, Path(name), arguments.rounds, arguments.seconds)
    names = [name for name in targets if name != BARE]
    figures = summary(readings, names)
    if arguments.json:
        rounds = {
            case: [{server: asdict(reading) for server, reading in each.items()} for each in taken]
            for case, taken in readings.items()
        }
        print(json.dumps({**figures, "rounds": rounds}))
    else:
        print("\n".join([*table(readings, names), "", *(f"{name} = {value}" for name, value in figures.items())]))


if __name__ == "__main__":
    main()
