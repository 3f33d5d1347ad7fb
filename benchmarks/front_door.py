"""
What the front door costs: one uvicorn stub engine, bare and behind the middleware with the real sequencer, under the same load.

    python benchmarks/front_door.py [--seconds 3] [--rounds 3] [--directory DIR] [--json]

The engine is a stub without a model, in the frame that vLLM uses (uvicorn, Starlette): an answer of 300 bytes at once, or a stream of 128
chunks, each written as JSON and in a turn of the event loop of its own, as tokens come. `wrk` drives both servers in turn within one run,
so that what else the machine does meets both alike; every figure is the median over the rounds, and every difference or ratio is taken
within a round first. Behind the middleware every request has a token, a casbin decision and two durable audit records.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepseek_local.identity import keys, store
from deepseek_local.profile.front_door import LedgerKind, Limits
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings, LedgerSettings
from deepseek_local.profile.library import shipped_file

PATH = "/v1/chat/completions"
QUESTION = {
    "model": "stub",
    "messages": [{"role": "user", "content": "What is the capital of France? " * 10}],
    "max_tokens": 128,
}
ENGINE = Path(__file__).with_name("stub_engine.py")

SCRIPT = """
wrk.method = "POST"
wrk.body = [==[%s]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"p50_us": %%d, "p99_us": %%d, "requests": %%d, "duration_us": %%d, "errors": %%d}\\n',
    latency:percentile(50), latency:percentile(99), summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load."""

    name: str
    connections: int
    stream: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What `wrk` measured in one run."""

    p50_ms: float
    p99_ms: float
    requests_per_second: float


CASES = tuple(
    Case(f"{kind}, {connections} connection{'s' if connections > 1 else ''}", connections, stream=kind == "stream")
    for kind in ("plain", "stream")
    for connections in (1, 64)
)


class Bench:
    """Both servers, the sequencer, and the token that opens the guarded one."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._token = self._configure()
        stack.enter_context(running(self._sequencer()))
        wait_for(directory / "audit.sock")
        self._ports = {guarded: self._server(stack, guarded=guarded) for guarded in (False, True)}

    def measure(self, case: Case, seconds: float, *, guarded: bool) -> Reading:
        """Run `wrk` once."""
        question = json.dumps({**QUESTION, "stream": case.stream})
        script = self._directory / "load.lua"
        script.write_text(SCRIPT % (question, self._token))
        url = f"http://127.0.0.1:{self._ports[guarded]}{PATH}"
        command = [
            "wrk",
            "-t1",
            f"-c{case.connections}",
            f"-d{seconds:g}s",
            "--timeout=20s",
            "--latency",
            "-s",
            str(script),
            url,
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        result = json.loads(
            next(line for line in output.splitlines() if line.startswith("RESULT")).removeprefix("RESULT")
        )
        if result["errors"]:
            raise SystemExit(f"wrk saw {result['errors']} errors:\n{output}")
        rate = result["requests"] / result["duration_us"] * 1e6
        return Reading(result["p50_us"] / 1e3, result["p99_us"] / 1e3, rate)

    def _configure(self) -> str:
        directory = self._directory
        users = directory / "users.csv"
        users.write_text("g, u:load, operator\n")
        _, token = store.create(directory / "tokens.json", directory / "tokens.key", "u:load", datetime.now(UTC))
        for name in ("digest.key", "salt.key"):
            keys.ensure(directory / name)
        settings = GatewaySettings(
            policy_files=(shipped_file("policies", "seed.csv"), users),
            break_glass_file=directory / "break-glass.json",
            token_use_directory=directory / "tokens.used",
            ledger=LedgerSettings(
                kind=LedgerKind.SQLITE, file=directory / "quota.db", url=None, password_file=None, timeout_seconds=1.0
            ),
            salt_key_file=directory / "salt.key",
            served_models=("stub",),
            max_model_len=8192,
            node="bench",
            tokens_file=directory / "tokens.json",
            tokens_key_file=directory / "tokens.key",
            internal_tokens={},
            audit_socket=directory / "audit.sock",
            audit_timeout_seconds=2.0,
            digest_key_file=directory / "digest.key",
            drain_file=directory / "draining",
            limits=Limits(),
        )
        file = directory / "gateway.json"
        file.write_text(settings.model_dump_json())
        file.chmod(0o600)
        os.environ[GATEWAY_VARIABLE] = str(file)
        return token

    def _sequencer(self) -> list[str]:
        audit = ("-m", "deepseek_local", "audit", "serve")
        return [
            sys.executable,
            *audit,
            "--directory",
            str(self._directory / "audit"),
            "--socket",
            str(self._directory / "audit.sock"),
        ]

    def _server(self, stack: ExitStack, *, guarded: bool) -> int:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        command = [sys.executable, str(ENGINE), str(listener.fileno()), *(["--guarded"] if guarded else [])]
        stack.enter_context(running(command, descriptor=listener.fileno()))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], descriptor: int | None = None) -> Iterator[None]:
    """Run a process for as long as the block lasts."""
    process = subprocess.Popen(command, pass_fds=() if descriptor is None else (descriptor,), stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def wait_for(path: Path) -> None:
    """Wait until the sequencer listens."""
    deadline = time.monotonic() + 20
    with socket.socket(socket.AF_UNIX) as probe:
        while probe.connect_ex(str(path)) != 0:
            if time.monotonic() > deadline:
                raise SystemExit("the sequencer did not start within 20 s")
            time.sleep(0.02)


def run(bench: Bench, rounds: int, seconds: float) -> dict[str, list[tuple[Reading, Reading]]]:
    """Measure every case, bare and guarded in turn; the first, shorter round only warms up."""
    readings: dict[str, list[tuple[Reading, Reading]]] = {case.name: [] for case in CASES}
    for number in range(rounds + 1):
        for case in CASES:
            # The order changes from round to round, so that neither always runs on the warmer machine.
            order = (False, True) if number % 2 else (True, False)
            pair = {guarded: bench.measure(case, seconds if number else 1, guarded=guarded) for guarded in order}
            if number:
                readings[case.name].append((pair[False], pair[True]))
    return readings


def summary(readings: Mapping[str, Sequence[tuple[Reading, Reading]]]) -> dict[str, float]:
    """Name the figures that targets exist for."""
    by_case = {(case.stream, case.connections): readings[case.name] for case in CASES}
    return {
        "added_p50_ms_c1": added_p50_ms(by_case[False, 1]),
        "added_p50_ms_stream_c1": added_p50_ms(by_case[True, 1]),
        "throughput_ratio_plain_c64": throughput_ratio(by_case[False, 64]),
        "throughput_ratio_c64": throughput_ratio(by_case[True, 64]),
    }


def added_p50_ms(pairs: Sequence[tuple[Reading, Reading]]) -> float:
    """Median over the rounds of what the middleware adds to the median latency."""
    return round(statistics.median(guarded.p50_ms - bare.p50_ms for bare, guarded in pairs), 3)


def throughput_ratio(pairs: Sequence[tuple[Reading, Reading]]) -> float:
    """Median over the rounds of guarded throughput by bare throughput."""
    return round(
        statistics.median(guarded.requests_per_second / bare.requests_per_second for bare, guarded in pairs), 3
    )


def table(readings: Mapping[str, Sequence[tuple[Reading, Reading]]]) -> list[str]:
    """Set all medians below their headings."""
    lines = [f"{'':24}{'p50 ms':>16}{'p99 ms':>16}{'requests/s':>18}{'added p50':>12}{'throughput':>12}"]
    lines.append(f"{'':24}{'bare   guarded':>16}{'bare   guarded':>16}{'bare   guarded':>18}{'ms':>12}{'ratio':>12}")
    for name, pairs in readings.items():
        cells = [
            f"{statistics.median(getattr(bare, field) for bare, _ in pairs):.{digits}f}  {statistics.median(getattr(guarded, field) for _, guarded in pairs):>8.{digits}f}"
            for field, digits in (("p50_ms", 2), ("p99_ms", 2), ("requests_per_second", 0))
        ]
        lines.append(
            f"{name:24}{cells[0]:>16}{cells[1]:>16}{cells[2]:>18}{added_p50_ms(pairs):>12.2f}{throughput_ratio(pairs):>12.2f}"
        )
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--directory", type=Path, help="where the audit log is written; its disk is part of what is measured"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; install it with: apt-get install wrk")
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory, ExitStack() as stack:
        readings = run(Bench(Path(directory), stack), arguments.rounds, arguments.seconds)
    if arguments.json:
        rounds = {
            name: [{"bare": asdict(bare), "guarded": asdict(guarded)} for bare, guarded in pairs]
            for name, pairs in readings.items()
        }
        print(json.dumps({**summary(readings), "rounds": rounds}))
    else:
        print("\n".join([*table(readings), "", *(f"{name} = {value}" for name, value in summary(readings).items())]))


if __name__ == "__main__":
    main()
