"""
What the size of a log costs: to append to it, and to verify all of it.

The log is written by the real writer in this process, in commits of `BATCH` records as a busy sequencer makes them, with its tree, its
tiles and its checkpoints. At each size asked for, the last `WINDOW` records tell what an append costs, and `audit verify` reads the whole
log in a process of its own, signatures and MACs included.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.audit.log import Entry, Log, Origin
from deepseek_local.audit.record import Kind
from deepseek_local.audit.wire import Request

BATCH = 256
WINDOW = 10_000

_AUDIT = (sys.executable, "-m", "deepseek_local", "audit")


@dataclass(frozen=True, slots=True)
class Growth:
    """A log of one size."""

    records: int
    append_cpu_us: float
    """Of the writer's CPU for each of the newest records."""
    append_us: float
    """The same by the clock, with the disk."""
    verify_seconds: float
    verify_cpu_seconds: float
    verify_mib: float
    """Resident at most."""

    @property
    def verified_per_cpu_second(self) -> float:
        """Records."""
        return self.records / self.verify_cpu_seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """What some records took."""

    records: int
    cpu_seconds: float
    seconds: float


def grow(directory: Path, sizes: Sequence[int], fields: Mapping[str, object]) -> Iterator[Growth]:
    """Write one log and measure it at each of the sizes, which grow and are rounded up to whole commits."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="audit-size-") as place:
        home = Path(place)
        key = make_keys(home)
        written = 0
        for size in sizes:
            with opened(home) as log:
                written += append(log, written, size - WINDOW - written, fields).records
                window = append(log, written, size - written, fields)
                written += window.records
            cpu, clock = (each / window.records * 1e6 for each in (window.cpu_seconds, window.seconds))
            yield Growth(written, cpu, clock, *verify(home, key))


@contextmanager
def opened(home: Path) -> Iterator[Log]:
    """Continue the log, and close it in order."""
    log = Log(home / "log", home / "keys", Origin.here("benchmark"))
    try:
        yield log
        log.stop("benchmark")
    finally:
        log.close()


def append(log: Log, written: int, records: int, fields: Mapping[str, object]) -> Cost:
    """Append at least so many records."""
    cpu, begin, numbers = time.process_time(), time.perf_counter(), range(written, written + max(records, 0), BATCH)
    for number in numbers:
        entries = [Entry(1, Request(each + 1, Kind.DECISION, fields)) for each in range(number, number + BATCH)]
        log.commit(entries)
        log.finish()
    return Cost(len(numbers) * BATCH, time.process_time() - cpu, time.perf_counter() - begin)


def make_keys(home: Path) -> str:
    """Make the keys of a log and keep what an auditor keeps; return the verifier key."""
    places = ("--directory", str(home / "log"), "--keys", str(home / "keys"))
    made = json.loads(subprocess.check_output((*_AUDIT, "init", *places, "--node", "benchmark", "--format", "json")))
    (home / "first.key").write_text(made["first_key"])
    return str(made["verifier_key"])


def verify(home: Path, key: str) -> tuple[float, float, float]:
    """Verify the log; return seconds, seconds of CPU and MiB."""
    command = (*_AUDIT, "verify", "--directory", str(home / "log"), "--key", key, "--mac-key", str(home / "first.key"))
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"`audit verify` ended with {process.returncode} on a log that nobody has touched")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
