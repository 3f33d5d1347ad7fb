"""A Redis server that restarts, stalls, wants a password, or has a certificate that nobody trusts."""

import asyncio
import socket
import subprocess
from contextlib import ExitStack

import pytest
from redis import Redis
from redis_server import EXECUTABLE, RedisServer
from served import short_directory

from deepseek_local.errors import QuotaError
from deepseek_local.profile.front_door import LedgerKind
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.redis import RedisLedger
from deepseek_local.quota.standing import Allowed, Exceeded

pytestmark = [pytest.mark.integration, pytest.mark.skipif(EXECUTABLE is None, reason="no redis-server")]

ONE = [Counter("everything", Kind.TOKENS_PER_DAY, 10), Counter("everything", Kind.CONCURRENT_STREAMS, 1)]


@pytest.fixture
def start():
    """Start a server of this test's own."""
    with short_directory() as directory:
        servers = []

        def start(*options: str) -> RedisServer:
            servers.append(RedisServer(directory, *options))
            servers[-1].start()
            return servers[-1]

        yield start
        for server in servers:
            server.kill()


def settings(url: str, tmp_path, **changes) -> LedgerSettings:
    basis = {"kind": LedgerKind.REDIS, "file": tmp_path / "unused", "url": url, "password_file": None}
    return LedgerSettings(**{**basis, "timeout_seconds": 5.0, **changes})


def play(chosen: LedgerSettings, story) -> None:
    async def main() -> None:
        ledger = RedisLedger(chosen)
        try:
            await story(ledger)
        finally:
            await ledger.close()

    asyncio.run(main())


def test_a_restart_of_redis_needs_no_restart_of_ours(start, tmp_path):
    server = start()

    async def story(ledger):
        running = await ledger.charge(ONE, 5, "a")
        assert isinstance(running, Allowed)
        server.kill()
        with pytest.raises(QuotaError, match=r"cannot be used .*; start the Redis server"):
            await ledger.charge(ONE, 5, "b")
        server.start()
        await ledger.renew([running.receipt])
        assert isinstance(await ledger.charge(ONE, 5, "b"), Exceeded)
        await ledger.settle(running.receipt, 0)
        assert isinstance(await ledger.charge(ONE, 10, "b"), Allowed)

    play(settings(server.url, tmp_path), story)


def test_a_restart_between_two_requests_is_not_noticed(start, tmp_path):
    server = start()

    async def story(ledger):
        await asyncio.gather(*(ledger.show() for _ in range(5)))
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        assert isinstance(await ledger.charge(ONE, 5, "a"), Allowed)

    play(settings(server.url, tmp_path), story)


def test_a_server_that_stalls_refuses_in_time(start, tmp_path):
    server = start()

    async def story(ledger):
        await ledger.show()
        server.pause()
        try:
            with pytest.raises(QuotaError, match=r"did not answer within 0\.2 s"):
                await ledger.charge(ONE, 5, "a")
        finally:
            server.go_on()

    play(settings(server.url, tmp_path, timeout_seconds=0.2), story)


def test_a_password_comes_from_a_file_and_may_change(start, tmp_path):
    server, password = start("--requirepass", "right"), tmp_path / "password"

    async def story(ledger):
        password.write_text("wrong\n")
        password.chmod(0o600)
        with pytest.raises(QuotaError, match="put the password of the Redis server into the file"):
            await ledger.charge(ONE, 5, "a")
        password.write_text("right\n")
        assert isinstance(await ledger.charge(ONE, 5, "a"), Allowed)

    play(settings(server.url, tmp_path, password_file=password), story)


def test_no_password_where_one_is_wanted_says_so(start, tmp_path):
    async def story(ledger):
        with pytest.raises(QuotaError, match="put the password of the Redis server into the file"):
            await ledger.charge(ONE, 5, "a")

    play(settings(start("--requirepass", "right").url, tmp_path), story)


def test_a_password_file_that_is_no_text_refuses(start, tmp_path):
    password = tmp_path / "password"
    password.write_bytes(b"\xff\xfe")
    password.chmod(0o600)

    async def story(ledger):
        with pytest.raises(QuotaError, match="is not text in UTF-8"):
            await ledger.charge(ONE, 5, "a")

    play(settings(start("--requirepass", "right").url, tmp_path, password_file=password), story)


def test_keys_of_another_version_are_left_alone(start, tmp_path):
    server = start()

    async def story(ledger):
        await ledger.charge(ONE, 5, "a")
        with Redis(unix_socket_path=str(server.socket)) as other:
            other.set("{deepseek-local}:quota:another_kind:everything", "1")
        assert [entry.used for entry in await ledger.show()] == [1, 5]
        await ledger.reset(None)
        assert [entry.kind for entry in await ledger.show()] == [Kind.CONCURRENT_STREAMS]

    play(settings(server.url, tmp_path), story)


def test_what_was_refused_because_redis_stalled_does_not_count_afterwards(start, tmp_path):
    server = start()
    day = [Counter("everything", Kind.TOKENS_PER_DAY, 1000)]

    async def story(ledger):
        assert isinstance(await ledger.charge(day, 5, "a"), Allowed)
        server.pause()
        for number in range(3):
            with pytest.raises(QuotaError, match="did not answer within"):
                await ledger.charge(day, 100, f"late-{number}")
        server.go_on()
        answer = await ledger.charge(day, 5, "b")
        assert [each.used for each in answer.standings] == [10]

    play(settings(server.url, tmp_path, timeout_seconds=0.2), story)


def test_a_clock_of_redis_that_was_set_refuses_once(start, tmp_path):
    server = start()

    async def story(ledger):
        assert isinstance(await ledger.charge(ONE, 1, "a"), Allowed)
        ledger._ahead_seconds -= 3600
        with pytest.raises(QuotaError, match="counted nothing, because it was too late"):
            await ledger.charge(ONE[:1], 1, "b")
        assert isinstance(await ledger.charge(ONE[:1], 1, "b"), Allowed)

    play(settings(server.url, tmp_path), story)


def test_an_address_that_moves_to_the_new_primary_is_followed(tmp_path):
    with short_directory() as here, short_directory() as there, ExitStack() as stack:
        old, new = RedisServer(here), RedisServer(there)
        for server in (old, new):
            stack.callback(server.kill)
            server.start()

        async def story(ledger):
            assert isinstance(await ledger.charge(ONE[:1], 5, "a"), Allowed)
            with Redis(unix_socket_path=str(old.socket)) as admin:
                admin.replicaof("127.0.0.1", "1")
            new.socket.replace(old.socket)
            with pytest.raises(QuotaError, match="read only replica"):
                await ledger.charge(ONE[:1], 5, "b")
            assert isinstance(await ledger.charge(ONE[:1], 5, "b"), Allowed)

        play(settings(old.url, tmp_path), story)


def test_a_late_answer_is_nobody_elses(start, tmp_path):
    server = start()

    async def story(ledger):
        for number in range(20):
            server.pause()
            with pytest.raises(QuotaError, match="did not answer within"):
                await ledger.charge([Counter(f"late={number}", Kind.TOKENS_PER_DAY, 9)], 5, f"late-{number}")
            server.go_on()
            answer = await ledger.charge([Counter(f"scope={number}", Kind.TOKENS_PER_DAY, 9)], 7, f"{number}")
            assert isinstance(answer, Allowed)
            assert [each.used for each in answer.standings] == [7]

    play(settings(server.url, tmp_path, timeout_seconds=0.2), story)


def test_a_password_file_that_others_can_read_is_not_used(start, tmp_path):
    password = tmp_path / "password"
    password.write_text("right\n")
    password.chmod(0o640)

    async def story(ledger):
        with pytest.raises(QuotaError, match="run: chmod 600"):
            await ledger.charge(ONE, 5, "a")

    play(settings(start("--requirepass", "right").url, tmp_path, password_file=password), story)


def test_a_certificate_counts_only_from_an_authority_that_the_host_trusts(start, tmp_path, monkeypatch):
    port = free_port()
    certificate, key = self_signed(tmp_path)
    start("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")

    async def refused(ledger):
        with pytest.raises(QuotaError, match="certificate verify failed"):
            await ledger.charge(ONE, 5, "a")

    async def served(ledger):
        assert isinstance(await ledger.charge(ONE, 5, "a"), Allowed)

    play(settings(f"rediss://localhost:{port}/0", tmp_path), refused)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    play(settings(f"rediss://localhost:{port}/0", tmp_path), served)
    play(settings(f"rediss://127.0.0.1:{port}/0", tmp_path), refused)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def self_signed(directory) -> tuple[str, str]:
    certificate, key = str(directory / "cert.pem"), str(directory / "key.pem")
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        *subject,
    )
    subprocess.run((*command, "-out", certificate, "-keyout", key, "-days", "2"), check=True, capture_output=True)
    return certificate, key
