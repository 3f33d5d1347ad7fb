"""
How fast records become durable: the real sequencer as a process of its own, real clients in processes of their own, a real disk.

    python benchmarks/audit.py [--seconds 5] [--records N]... [--directory DIR] [--json]

`idle` is one client with one record at a time; `N x M` are N client processes that keep M records in flight each; `open loop` sends 400
records a second at fixed times, whether or not earlier ones were acknowledged, so that a stall counts for all that it delayed.
The records are decisions of about 670 bytes. The first row is the disk alone: one `write` and one `fdatasync` per record, no sequencer.

The second table tells what the size of a log costs (see `audit_size`); ten million records need 8 GB of disk and some minutes.
"""

import asyncio
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import uvloop
from audit_size import Growth, grow

from deepseek_local.audit.client import AuditClient, append_once
from deepseek_local.cli import render
from deepseek_local.errors import AuditError

DECISION = {
    "req": "01JD9Z6X7M4T2V0QK3N8B5R1YC",
    "ip": "10.0.0.5",
    "route": "POST /v1/chat/completions",
    "sub": {"id": "u:alice", "src": "token", "kid": "0a1b2c3d4e5f"},
    "act": "execute",
    "obj": "inference_chat",
    "attr": {"model": "deepseek-r1", "stream": True, "n": 1, "max_tokens": 4096},
    "dec": "allow",
    "rule": "p:operator/inference_*/execute",
    "pol": "sha256:" + "3c" * 32,
    "prompt": {"hmac": "k1:" + "a7" * 32, "bytes": 18231},
}
Load = Callable[[AuditClient, float], Awaitable[list[float]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    per_second: float
    p50_ms: float
    p99_ms: float


async def timed(client: AuditClient) -> float:
    """Append one record and return the seconds that it took."""
    begin = time.perf_counter()
    await client.append("decision", DECISION)
    return time.perf_counter() - begin


async def closed_loop(in_flight: int, client: AuditClient, seconds: float) -> list[float]:
    """Keep records in flight: each caller appends the next one as soon as its last is acknowledged."""
    end = time.perf_counter() + seconds

    async def caller() -> list[float]:
        taken = []
        while time.perf_counter() < end:
            taken.append(await timed(client))
        return taken

    return [each for taken in await asyncio.gather(*(caller() for _ in range(in_flight))) for each in taken]


async def open_loop(per_second: float, client: AuditClient, seconds: float) -> list[float]:
    """Send at fixed times; what an append waited for its turn counts as its latency."""
    begin = time.perf_counter()

    async def send(at: float) -> float:
        await client.append("decision", DECISION)
        return time.perf_counter() - at

    async with asyncio.TaskGroup() as group:
        sent = []
        for number in range(int(per_second * seconds)):
            at = begin + number / per_second
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            sent.append(group.create_task(send(at)))
    return [each.result() for each in sent]


def client_process(socket: Path, load: Load, start_at: float, seconds: float) -> list[float]:
    """Put one load on the sequencer from a process of its own."""

    async def main() -> list[float]:
        client = AuditClient(socket, 30.0)
        await client.append("admin", {"act": "benchmark"})
        await asyncio.sleep(start_at - time.time())
        taken = await load(client, seconds)
        client.close()
        return taken

    return uvloop.run(main())


def measure(name: str, socket: Path, load: Load, processes: int, seconds: float) -> Row:
    """Run one load from several processes at the same time."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        start_at = time.time() + 1.5
        results = [pool.apply_async(client_process, (socket, load, start_at, seconds)) for _ in range(processes)]
        return row(name, [each for result in results for each in result.get()], seconds)


def bare_disk(directory: Path, seconds: float) -> Row:
    """Write and sync one record at a time, without a sequencer."""
    line = json.dumps(DECISION).encode().ljust(671) + b"\n"
    taken = []
    with tempfile.TemporaryFile(dir=directory) as file:
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            os.write(file.fileno(), line)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begin)
    return row("disk alone", taken, seconds)


def row(name: str, taken: list[float], seconds: float) -> Row:
    """Sum up the latencies of one load."""
    ordered = sorted(taken)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
    return Row(name, len(ordered) / seconds, p50, p99)


@contextmanager
def sequencer(directory: Path) -> Iterator[Path]:
    """Run the real sequencer on a new log."""
    socket = directory / "audit.sock"
    command = (sys.executable, "-m", "deepseek_local", "audit", "serve", "--directory", str(directory / "log"))
    with subprocess.Popen((*command, "--socket", str(socket)), stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(socket)
            yield socket
        finally:
            process.terminate()


def wait_for(socket: Path) -> None:
    """Return when the sequencer acknowledges."""
    for _ in range(200):
        try:
            append_once(socket, "admin", {"act": "benchmark"})
        except AuditError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the sequencer did not start within 10 s: run `deepseek-local audit serve` by hand to see why")


def run(directory: Path, seconds: float) -> list[Row]:
    """Measure every load, each after the other on one sequencer."""
    rows = [bare_disk(directory, seconds)]
    with sequencer(directory) as socket:
        rows += [
            measure("idle", socket, partial(closed_loop, 1), 1, seconds),
            measure("2 x 64", socket, partial(closed_loop, 64), 2, seconds),
            measure("4 x 64", socket, partial(closed_loop, 64), 4, seconds),
            measure("open loop 400/s", socket, partial(open_loop, 200.0), 2, seconds),
        ]
    return rows


def sizes_table(growths: list[Growth]) -> list[str]:
    """Return what the size of the log costs, as the lines of a table."""
    titles = ("records", "append CPU µs", "append µs", "verify s", "records/s of CPU", "MiB")
    cells = [
        (
            f"{each.records:,}",
            f"{each.append_cpu_us:.1f}",
            f"{each.append_us:.1f}",
            f"{each.verify_seconds:.1f}",
            f"{each.verified_per_cpu_second:,.0f}",
            f"{each.verify_mib:.0f}",
        )
        for each in growths
    ]
    return render.table(titles, cells)


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="Duration of each load.")
@click.option(
    "--records",
    type=click.IntRange(1),
    multiple=True,
    default=(10_000, 1_000_000),
    show_default=True,
    help="Size of the log to append to and to verify; again for each size.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the log is written for the time of the benchmark: the disk to be measured.  [default: here]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(seconds: float, records: tuple[int, ...], directory: Path, *, as_json: bool) -> None:
    """Measure how fast records become durable, and what the size of their log costs."""
    with tempfile.TemporaryDirectory(dir=directory.absolute(), prefix="audit-benchmark-") as place:
        rows = run(Path(place), seconds)
    growths = list(grow(directory.absolute(), sorted(records), DECISION))
    disk, idle, two, four, steady = rows
    result = {
        "acked_per_second": round(four.per_second),
        "acked_per_second_2x64": round(two.per_second),
        "ack_p99_ms_4x64": round(four.p99_ms, 3),
        "idle_ack_p50_ms": round(idle.p50_ms, 3),
        "idle_ack_p99_ms": round(idle.p99_ms, 3),
        "open_loop_400_p50_ms": round(steady.p50_ms, 3),
        "open_loop_400_p99_ms": round(steady.p99_ms, 3),
        "disk_fdatasync_p50_ms": round(disk.p50_ms, 3),
        "sizes": [asdict(each) for each in growths],
        "cpus": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    cells = [(each.name, f"{each.per_second:,.0f}", f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}") for each in rows]
    output = render.Format.JSON if as_json else render.Format.TEXT
    loads = render.table(("load", "acked/s", "p50 ms", "p99 ms"), cells)
    render.result(output, result, [*loads, "", *sizes_table(growths)])


if __name__ == "__main__":
    main()
