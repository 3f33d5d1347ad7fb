"""
The load: `wrk` in one thread against one server, for one kind of request.

Throughput is bytes received, by the bytes of one whole answer of the same server. Streams that go in step end in waves, and a reading
that counted whole answers would be off by a wave: a quarter, when it lasts four. (nginx merges some chunks, which saves up to 3 % of the
bytes and makes it look that much slower.)
"""

import json
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATH = "/v1/chat/completions"
QUESTION = {
    "model": "stub",
    "messages": [{"role": "user", "content": "What is the capital of France? " * 62}],
    "max_tokens": 128,
}
"""About 2,000 bytes as JSON."""

SCRIPT = """
wrk.method = "POST"
wrk.body = [==[%s]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"p50_us": %%d, "p99_us": %%d, "requests": %%d, "bytes": %%d, "duration_us": %%d, "errors": %%d}\\n',
    latency:percentile(50), latency:percentile(99), summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
END_OF_STREAM = b"\r\n0\r\n\r\n"
"""The last, empty chunk of a chunked body (RFC 9112, 7.1)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load."""

    name: str
    connections: int
    stream: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A server to be loaded."""

    port: int
    token: str


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


MAXIMUM_SECONDS = 64


def measure(case: Case, target: Target, seconds: int, directory: Path) -> Reading:
    """Load a server, longer where it needs longer; the script for `wrk` lies in `directory`. Ends the program when a request failed."""
    result = _load(case, target, seconds, directory)
    # A connection without a whole answer says nothing yet.
    while result["requests"] < case.connections and seconds < MAXIMUM_SECONDS:
        seconds *= 4
        result = _load(case, target, seconds, directory)
    answers = result["bytes"] / stream_bytes(target) if case.stream else result["requests"]
    return Reading(result["p50_us"] / 1e3, result["p99_us"] / 1e3, answers / result["duration_us"] * 1e6)


def stream_bytes(target: Target) -> int:
    """Return how many bytes a whole stream of a server has, its head included."""
    question = json.dumps({**QUESTION, "stream": True})
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {target.token}\r\nContent-Length: {len(question)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", target.port), timeout=60) as connection:
        connection.sendall(f"{head}{question}".encode())
        answer = bytearray()
        while not answer.endswith(END_OF_STREAM):
            part = connection.recv(65_536)
            if not part:
                raise SystemExit(f"a stream broke off after {bytes(answer)!r}")
            answer += part
    return len(answer)


def _load(case: Case, target: Target, seconds: int, directory: Path) -> Mapping[str, int]:
    question = json.dumps({**QUESTION, "stream": case.stream})
    script = directory / "load.lua"
    script.write_text(SCRIPT % (question, target.token))
    url = f"http://127.0.0.1:{target.port}{PATH}"
    options = ("-t1", f"-c{case.connections}", f"-d{seconds}s", "--timeout=60s", "--latency", "-s", str(script))
    output = subprocess.run(["wrk", *options, url], capture_output=True, text=True, check=True).stdout
    result: Mapping[str, int] = json.loads(
        next(line for line in output.splitlines() if line.startswith("RESULT")).removeprefix("RESULT")
    )
    if result["errors"]:
        raise SystemExit(f"wrk saw {result['errors']} errors:\n{output}")
    return result
