"""Both ledgers, for the same tests: an SQLite file, and a real Redis server on a Unix socket."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import quota_user
import redis
from redis_server import EXECUTABLE, RedisServer
from served import short_directory

from deepseek_local.profile.front_door import LedgerKind
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota.ledger import Ledger

NOON = 1_795_521_600
"""2026-11-24 12:00 UTC."""

KINDS = [
    pytest.param(LedgerKind.SQLITE, id="sqlite"),
    pytest.param(LedgerKind.REDIS, id="redis", marks=pytest.mark.skipif(EXECUTABLE is None, reason="no redis-server")),
]


class Book:
    """One place where is counted, its clock, and the processes that use it."""

    def __init__(self, settings: LedgerSettings, stack: ExitStack) -> None:
        self.settings = settings
        self.now = NOON + 15.0
        self._stack = stack

    def open(self) -> Ledger:
        return quota_user.ledger_at(self.settings, lambda: self.now)

    def play(self, story: Callable[[Ledger], Awaitable[None]]) -> None:
        """Run a story with a ledger that is closed in the end."""

        async def main() -> None:
            ledger = self.open()
            try:
                await story(ledger)
            finally:
                await ledger.close()

        asyncio.run(main())

    def process(self, limit: int, task: str) -> subprocess.Popen[str]:
        arguments = (self.settings.model_dump_json(), str(self.now), str(limit), task)
        process = subprocess.Popen((sys.executable, quota_user.__file__, *arguments), stdout=subprocess.PIPE, text=True)
        self._stack.callback(process.stdout.close)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with short_directory() as directory:
        server = RedisServer(directory)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def settings_of(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., LedgerSettings]:
    def settings(kind: LedgerKind, **changes) -> LedgerSettings:
        url = request.getfixturevalue("server").url if kind is LedgerKind.REDIS else None
        basis = {"kind": kind, "file": tmp_path / "quota.db", "url": url, "password_file": None, "timeout_seconds": 5.0}
        return LedgerSettings(**{**basis, **changes})

    return settings


@pytest.fixture(params=KINDS)
def book(request: pytest.FixtureRequest, settings_of) -> Iterator[Book]:
    settings = settings_of(request.param)
    if request.param is LedgerKind.REDIS:
        with redis.Redis(unix_socket_path=settings.url.removeprefix("unix://")) as client:
            client.flushall()
    with ExitStack() as stack:
        yield Book(settings, stack)
