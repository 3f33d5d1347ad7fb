"""
What a quota costs a request: charge and settlement on both ledgers, from one process and from several that contend.

    python benchmarks/quota.py [--seconds 3] [--directory /dev/shm] [--json]

Each process charges a principal of its own with all four limits, a request a time, and settles it at once, as fast as it can: so several
processes are always at the ledger together, which no engine would bring about. SQLite writes to `--directory`; Redis is a server started
for the time of the benchmark, on a Unix socket and without persistence, and is left out where there is none.
"""

import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import uvloop

from deepseek_local.cli import render
from deepseek_local.profile.front_door import LedgerKind, Quota
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota import ledger, limits
from deepseek_local.quota.standing import Allowed

QUOTAS = [
    Quota(
        principal="*",
        requests_per_minute=10**9,
        tokens_per_minute=10**12,
        tokens_per_day=10**12,
        concurrent_streams=10**6,
    )
]
Taken = tuple[list[float], list[float]]
"""Seconds of each charge and of each settlement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times in microseconds."""

    ledger: str
    processes: int
    requests_per_second: int
    charge_p50: float
    charge_p99: float
    settle_p50: float
    settle_p99: float


async def use(settings: LedgerSettings, principal: str, seconds: float) -> Taken:
    """Charge and settle one request after the other."""
    counters = limits.counters(limits.rules(QUOTAS), limits.Asker(principal, frozenset(), None, None))
    book = ledger.of(settings)
    charges, settlements = [], []
    end = time.perf_counter() + seconds
    number = 0
    while (begin := time.perf_counter()) < end:
        answer = await book.charge(counters, 1000, f"{principal}-{number}")
        charged = time.perf_counter()
        if not isinstance(answer, Allowed):
            raise SystemExit("a limit was reached, which none of a benchmark should: shorten --seconds")
        if not book.settle_now(answer.receipt, 400):
            await book.settle(answer.receipt, 400)
        charges.append(charged - begin)
        settlements.append(time.perf_counter() - charged)
        number += 1
    await book.close()
    return charges, settlements


def user_process(settings: LedgerSettings, principal: str, start_at: float, seconds: float) -> Taken:
    """Use the ledger from a process of its own."""
    time.sleep(max(0.0, start_at - time.time()))
    return uvloop.run(use(settings, principal, seconds))


def measure(settings: LedgerSettings, processes: int, seconds: float) -> Row:
    """Let several processes use one ledger at the same time."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        start_at = time.time() + 2.0
        arguments = [(settings, f"u:user{number}", start_at, seconds) for number in range(processes)]
        taken = pool.starmap(user_process, arguments)
    charges = sorted(each for first, _ in taken for each in first)
    settlements = sorted(each for _, second in taken for each in second)
    per_second = round(len(charges) / seconds)
    times = [microseconds(part, share) for part in (charges, settlements) for share in (0.5, 0.99)]
    return Row(settings.kind.value, processes, per_second, *times)


def microseconds(ordered: list[float], share: float) -> float:
    """Return a percentile."""
    return round(ordered[int(len(ordered) * share)] * 1_000_000, 1)


@contextmanager
def redis_server(directory: Path) -> Iterator[str | None]:
    """Run a Redis server and yield its address; None where there is none."""
    executable = shutil.which("redis-server")
    if executable is None:
        yield None
        return
    socket = directory / "redis.sock"
    command = (executable, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(directory))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(socket)
            yield f"unix://{socket}"
        finally:
            process.terminate()


def wait_for(socket: Path) -> None:
    """Return when the socket is there."""
    for _ in range(200):
        if socket.exists():
            return
        time.sleep(0.05)
    raise SystemExit("redis-server did not start within 10 s: run it by hand to see why")


def run(directory: Path, seconds: float) -> list[Row]:
    """Measure every ledger, each from one and from four processes."""
    with redis_server(directory) as url:
        kinds = [LedgerKind.SQLITE, *([LedgerKind.REDIS] if url else [])]
        return [
            measure(
                LedgerSettings(
                    kind=kind, file=directory / "quota.db", url=url, password_file=None, timeout_seconds=10.0
                ),
                processes,
                seconds,
            )
            for kind in kinds
            for processes in (1, 4)
        ]


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Duration of each load.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("/dev/shm"),  # noqa: S108 -- memory, which is what the runtime directory is
    show_default=True,
    help="Where the SQLite ledger lies for the time of the benchmark.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(seconds: float, directory: Path, *, as_json: bool) -> None:
    """Measure what charging and settling a request costs."""
    with tempfile.TemporaryDirectory(dir=directory.absolute(), prefix="quota-benchmark-") as place:
        rows = run(Path(place), seconds)
    if as_json:
        cpus = len(os.sched_getaffinity(0))
        click.echo(
            json.dumps({"rows": [asdict(each) for each in rows], "cpus": cpus, "python": platform.python_version()})
        )
        return
    headings = ("ledger", "processes", "requests/s", "charge p50 µs", "p99", "settle p50 µs", "p99")
    render.result(
        render.Format.TEXT, None, render.table(headings, [list(map(str, asdict(each).values())) for each in rows])
    )


if __name__ == "__main__":
    main()
