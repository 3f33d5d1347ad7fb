"""One deployment with the real vLLM for all tests: the demo profile on a free port, with a home of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import segment_files
from served import Served, short_directory

ROOT = Path(__file__).parents[2]
DEMO_MODEL = ROOT / "var" / "models" / "smollm2-135m-instruct"
START_SECONDS = 240
"""Two busy cores; 45 s when they are idle."""

QUICK = (
    "gateway.policy=[shipped:seed.csv, shipped:demo.csv, users.csv]",
    "gateway.administrators=[u:root]",
    # The tests guess a lot, from one address.
    "gateway.bans.failures=100000",
    "observability.health_seconds=1",
    "engine.drain_timeout_seconds=60",
)


class Deployment(Served):
    """The served demo, with the people of its policy."""

    def __init__(self, home: Path, model: Path, *sets: str) -> None:
        home.mkdir()
        (home / "users.csv").write_text("g, u:root, admin\n")
        super().__init__("cpu-demo", home, model, (*QUICK, *sets), {})

    def token_of(self, principal: str) -> str:
        """Create a token as an operator does."""
        return self.command("token", "create", principal).strip()

    def command(self, *words: str) -> str:
        """Run a command of the kit on this deployment, and return what it prints."""
        command = [sys.executable, "-m", "deepseek_local", *words, "--profile", "cpu-demo", "--home", str(self.home)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @property
    def url(self) -> str:
        return json.loads((self.home / "run" / "state.json").read_text())["url"]

    def http(self, token: str | None, **options: object) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60, **options)

    def log_of_records(self) -> list[dict[str, object]]:
        """Return all audit records, in their order."""
        return [json.loads(line) for line in segment_files.lines(self.home / "audit")]

    def records(self, request_id: str) -> list[dict[str, object]]:
        """Return the audit records of a request, in their order."""
        return [record for record in self.log_of_records() if record.get("req") == request_id]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def model() -> Path:
    """Return the demo model; prepare it when there is none."""
    chosen = Path(os.environ.get("DEEPSEEK_LOCAL_TEST_MODEL", DEMO_MODEL))
    if not (chosen / "config.json").exists():
        subprocess.run(
            [sys.executable, str(ROOT / "demo" / "prepare_model.py"), "--to", str(chosen)], check=True, cwd=ROOT
        )
    return chosen


@pytest.fixture(scope="session")
def deployment(model: Path) -> Iterator[Deployment]:
    """Serve the demo for the whole session; faults come last, and the last test stops it."""
    with short_directory() as directory:
        served = Deployment(directory / "home", model, f"gateway.port={_free_port()}")
        try:
            served.until_ready(START_SECONDS)
            yield served
        finally:
            served.clean_up()


@pytest.fixture(scope="module")
def behind_a_socket(model: Path) -> Iterator[Deployment]:
    """Serve once more: on a Unix socket, with two API processes."""
    with short_directory() as directory:
        quotas = 'gateway.quotas=[{"principal": "u:limited", "tokens_per_day": 2000}]'
        served = Deployment(directory / "home", model, "gateway.listen=unix", "engine.api_servers=2", quotas)
        try:
            served.until_ready(START_SECONDS)
            yield served
        finally:
            served.clean_up()


@pytest.fixture(scope="session")
def admin(deployment: Deployment) -> str:
    return deployment.token_of("u:root")


@pytest.fixture(scope="session")
def stranger(deployment: Deployment) -> str:
    """A valid token of somebody who has no role."""
    return deployment.token_of("u:stranger")
