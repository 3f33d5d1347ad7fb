"""
The front door with everything real but the engine: uvicorn, the middleware, the token store, the policy, the sequencer process.

`door` is served by both HTTP implementations in turn; each module gets its own.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from deepseek_local import digest_keys
from deepseek_local.engine.request_heads import LimitedProtocol
from deepseek_local.gateway.middleware import PolicyMiddleware
from deepseek_local.identity import keys, store, tokens
from deepseek_local.profile.front_door import Bans, LedgerKind, Limits
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings, LedgerSettings
from deepseek_local.profile.library import shipped_file
from tests.integration.gateway.stub_engine import Seen, StubEngine
from tests.support import segment_files

BODY_BYTES = 65_536
PARSERS = {"h11": H11Protocol, "httptools": LimitedProtocol}
"""uvicorn's HTTP implementations as the launcher lets the engine use them."""
USERS = "g, u:root, admin\ng, u:olga, operator\ng, u:ann, analyst\n"


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.005)


class Sequencer:
    """The audit sequencer as a process of its own."""

    def __init__(self, directory: Path, path: Path) -> None:
        self.directory = directory
        self.path = path
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "deepseek_local",
            "audit",
            "serve",
            "--directory",
            str(self.directory),
            "--socket",
            str(self.path),
        ]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(self._answers, "the sequencer listens")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait(10)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(10)
            finally:
                self._process.kill()

    def records(self) -> list[Mapping[str, Any]]:
        """Read all complete lines of the log, in order."""
        return [json.loads(line) for line in segment_files.lines(self.directory)]

    def records_of(self, request_id: str) -> list[Mapping[str, Any]]:
        return [record for record in self.records() if record.get("req") == request_id]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0


class Door:
    """One running front door, and the files that steer it."""

    def __init__(self, directory: Path, http: str) -> None:
        self.directory = directory
        self.http = http
        self.sequencer = Sequencer(directory / "audit", directory / "audit.sock")
        self.engine = StubEngine(self.sequencer.records_of)
        self.policy = directory / "users.csv"
        self.policy.write_text(USERS)
        self.drain_file = directory / "draining"
        self.store = directory / "tokens.json"
        self.key_file = directory / "tokens.key"
        self.key = keys.ensure(self.key_file)
        digest_keys.ensure(directory / "digest-keys")
        self.digest_key = keys.read(directory / "digest-keys" / "k1")
        keys.ensure(directory / "salt.key")
        self.canary = tokens.mint()[1]
        self.root, self.olga, self.ann = (self.create(name) for name in ("u:root", "u:olga", "u:ann"))
        self.listeners = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self.listeners[0].getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def create(self, principal: str, expires: datetime | None = None) -> str:
        return store.create(self.store, self.key_file, principal, datetime.now(UTC), expires)[1]

    def settings(self) -> GatewaySettings:
        return GatewaySettings(
            policy_files=(shipped_file("policies", "seed.csv"), self.policy),
            administrators=("u:root",),
            break_glass_file=self.directory / "break-glass.json",
            token_use_directory=self.directory / "tokens.used",
            ledger=LedgerSettings(
                kind=LedgerKind.SQLITE,
                file=self.directory / "quota.db",
                url=None,
                password_file=None,
                timeout_seconds=1.0,
            ),
            salt_key_file=self.directory / "salt.key",
            served_models=("m", "stub"),
            max_model_len=8192,
            node="test",
            tokens_file=self.store,
            tokens_key_file=self.key_file,
            internal_tokens={"s:canary": tokens.keyed_hash(self.key, self.canary)},
            audit_socket=self.sequencer.path,
            audit_timeout_seconds=0.5,
            digest_keys=self.directory / "digest-keys",
            drain_file=self.drain_file,
            # All tests come from one address, and many of them are meant to be refused.
            bans=Bans(failures=100_000, seconds=1),
            limits=Limits(body_bytes=BODY_BYTES, body_timeout_seconds=0.5),
        )

    def app(self) -> Starlette:
        """Build what vLLM builds: Starlette with the middleware around all routes."""
        file = self.directory / "gateway.json"
        file.write_text(self.settings().model_dump_json())
        file.chmod(0o600)
        os.environ[GATEWAY_VARIABLE] = str(file)
        app = Starlette(routes=[WebSocketRoute("/v1/realtime", self.engine), Mount("", app=self.engine)])
        app.add_middleware(PolicyMiddleware)
        return app

    @contextmanager
    def serving(self) -> Iterator[None]:
        self.sequencer.start()
        server = uvicorn.Server(
            uvicorn.Config(
                self.app(), http=PARSERS[self.http], ws="websockets-sansio", log_level="critical", timeout_keep_alive=30
            )
        )
        thread = threading.Thread(target=server.run, args=(self.listeners,))
        thread.start()
        try:
            wait_until(lambda: server.started, "uvicorn has started")
            yield
        finally:
            self.client.close()
            server.should_exit = True
            thread.join()
            self.sequencer.stop()
            for listener in self.listeners:
                listener.close()

    def ask(
        self, token: str | None, method: str = "POST", path: str = "/v1/chat/completions", **arguments: Any
    ) -> httpx.Response:
        headers = dict(arguments.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if method == "POST" and not arguments.keys() & {"content", "json", "data"}:
            arguments["json"] = {"model": "m", "messages": []}
        return self.client.request(method, path, headers=headers, **arguments)

    def sent_to_engine(self, response: httpx.Response) -> bytes:
        """Return the body that the engine got, without the salt that is put in front."""
        content, salts = re.subn(rb'^\{"cache_salt":"[A-Za-z0-9_-]{43}",', b"{", self.seen(response).body)
        assert salts == 1
        return content

    def chat(self, **stub: Any) -> httpx.Response:
        return self.ask(self.olga, json={"model": "m", "messages": [], "metadata": stub})

    def records_of(self, response: httpx.Response) -> list[Mapping[str, Any]]:
        return self.sequencer.records_of(response.headers["x-request-id"])

    def decision(self, response: httpx.Response) -> Mapping[str, Any]:
        (record,) = [record for record in self.records_of(response) if record["kind"] == "decision"]
        return record

    def outcome(self, response: httpx.Response) -> Mapping[str, Any]:
        (record,) = [record for record in self.records_of(response) if record["kind"] == "outcome"]
        return record

    def seen(self, response: httpx.Response) -> Seen:
        (seen,) = [seen for seen in self.engine.seen if seen.id == response.headers["x-request-id"]]
        return seen

    def raw(self, request: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes or falls silent after a complete answer."""
        with self.connect() as stream:
            return self.raw_on(stream, request)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    @staticmethod
    def raw_on(stream: socket.socket, request: bytes) -> bytes:
        """Do the same on a connection that stays open."""
        stream.sendall(request)
        answer = b""
        while not _is_complete(answer):
            part = stream.recv(65_536)
            if not part:
                break
            answer += part
        return answer


def _is_complete(answer: bytes) -> bool:
    head, mark, body = answer.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None
    )
    return bool(mark) and length is not None and len(body) >= length


@pytest.fixture(scope="module", params=["h11", "httptools"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    door = Door(tmp_path_factory.mktemp("door"), request.param)
    with door.serving():
        yield door


@pytest.fixture(autouse=True)
def _undisturbed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Put back what a test changed, so that tests of a module can come in any order."""
    yield
    if "door" in request.fixturenames:
        door: Door = request.getfixturevalue("door")
        door.drain_file.unlink(missing_ok=True)
        if door.policy.read_bytes() != USERS.encode():
            door.policy.write_text(USERS)
        door.engine.go_on.clear()
