"""What the real nginx refuses is in the audit log: handshakes that no application ever sees, and requests that it answers itself."""

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from certificates import Authority, Identity
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.integration.audit.conftest import Sequencer, of, wait_until

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")]

PAGE = Path(__file__).parents[3] / "docs/en/how-to/record-what-nginx-refuses.md"
"""What it tells operators to write is what is tested."""
FRAME = """\
daemon off;
master_process off;
user {user};
pid {place}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    scgi_temp_path {place}/scgi;
    uwsgi_temp_path {place}/uwsgi;
    limit_req_zone $binary_remote_addr zone=per_address:1m rate=1r/m;
{logs}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate {place}/server.pem;
        ssl_certificate_key {place}/server.key;
        ssl_client_certificate {place}/clients.pem;
        ssl_verify_client on;
        client_max_body_size 1k;
        location / {{ access_log syslog:server=unix:{place}/nginx.sock,nohostname refused; return 404; }}
        location /limited {{ limit_req zone=per_address; proxy_pass http://unix:{place}/front.sock; }}
        location /closed {{ deny all; }}
    }}
}}
"""


class Proxy:
    """nginx, and who ships its log."""

    def __init__(self, place: Path, sequencer: Sequencer) -> None:
        self.place = place
        self.sequencer = sequencer
        self.socket = place / "nginx.sock"
        now = datetime.now(UTC)
        self.clients, self.servers = Authority(now=now), Authority("servers", now)
        self.alice = self.clients.issue()
        self.port = _free_port()
        self.shipper: subprocess.Popen[str] | None = None
        self.nginx: subprocess.Popen[bytes] | None = None

    def ship(self) -> None:
        words = ["audit", "ship-nginx", "--listen", f"unix:{self.socket}", "--socket", str(self.sequencer.socket)]
        self.shipper = subprocess.Popen(
            [sys.executable, "-m", "deepseek_local", *words], stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: self.socket.exists() or self.shipper.poll() is not None)

    def end_shipping(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.shipper.send_signal(number)
        self.shipper.communicate(timeout=20)
        return self.shipper.returncode

    def serve(self) -> None:
        server = self.servers.issue(x509.IPAddress(ip_address("127.0.0.1")), usage=(ExtendedKeyUsageOID.SERVER_AUTH,))
        (self.place / "server.pem").write_bytes(server.pem)
        (self.place / "server.key").write_bytes(server.key_pem)
        (self.place / "clients.pem").write_bytes(self.clients.pem)
        (self.place / "servers.pem").write_bytes(self.servers.pem)
        logs = PAGE.read_text("utf-8").split("```nginx\n")[1].split("```")[0]
        for path in ("/run/deepseek-local", "/var/log/nginx"):
            logs = logs.replace(path, str(self.place))
        user = pwd.getpwuid(os.getuid()).pw_name
        file = self.place / "nginx.conf"
        file.write_text(FRAME.format(user=user, place=self.place, port=self.port, logs=logs))
        self.nginx = subprocess.Popen(
            [PROGRAM, "-c", str(file), "-e", str(self.place / "early.log")], stderr=subprocess.DEVNULL
        )
        wait_until(self._listens)

    def ask(
        self, identity: Identity | None, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", **more: object
    ) -> bytes:
        """Come with a certificate or without; return the first bytes of the answer, none if the handshake fails."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.place / "servers.pem")
        for name, value in more.items():
            setattr(context, name, value)
        if identity is not None:
            chain = self.place / f"{identity.serial}.pem"
            chain.write_bytes(identity.pem + identity.key_pem)
            context.load_cert_chain(chain)
        with suppress(ssl.SSLError, ConnectionError), self.connect() as plain, wrapped(context, plain) as stream:
            stream.sendall(request)
            return stream.recv(12)
        return b""

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def told(self, reason: str) -> list[dict]:
        """The records with a reason, as soon as there is one."""

        def found() -> list[dict]:
            return [record for record in self.sequencer.records() if record.get("reason") == reason]

        wait_until(lambda: bool(found()))
        return found()

    def _listens(self) -> bool:
        with suppress(ConnectionError), closing(self.connect()):
            return True
        return False


def wrapped(context: ssl.SSLContext, plain: socket.socket) -> ssl.SSLSocket:
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def proxy(tmp_path: Path, sequencer: Sequencer) -> Iterator[Proxy]:
    sequencer.start()
    proxy = Proxy(tmp_path, sequencer)
    proxy.ship()
    proxy.serve()
    yield proxy
    proxy.nginx.terminate()
    proxy.nginx.wait(10)
    if proxy.shipper.poll() is None:
        assert proxy.end_shipping() == 0


def told_of(record: dict) -> tuple[object, ...]:
    return tuple(record.get(name) for name in ("kind", "ip", "status", "detail"))


def test_a_client_without_a_certificate_of_ours_is_on_record(proxy: Proxy):
    stranger = Authority("strangers", datetime.now(UTC)).issue()
    past = datetime.now(UTC) - timedelta(hours=2)
    expired = proxy.clients.issue(begins=past - timedelta(hours=1), ends=past)
    assert [proxy.ask(who)[9:] for who in (None, stranger, expired, proxy.alice)] == [b"400", b"400", b"400", b"404"]
    (none,) = proxy.told("no_certificate")
    assert told_of(none) == ("tls_fail", "127.0.0.1", 400, None)
    (unknown,) = proxy.told("unknown_issuer")
    assert told_of(unknown)[:3] == ("tls_fail", "127.0.0.1", 400)
    (old,) = proxy.told("certificate_expired")
    assert told_of(old) == ("tls_fail", "127.0.0.1", 400, "verify result 10")


def test_an_old_version_of_tls_is_on_record(proxy: Proxy):
    assert proxy.ask(proxy.alice, maximum_version=ssl.TLSVersion.TLSv1_2) == b""
    (record,) = proxy.told("tls_version")
    assert told_of(record) == ("tls_fail", "127.0.0.1", None, "unsupported protocol")


def test_what_nginx_answers_itself_is_on_record(proxy: Proxy):
    body = b"POST /limited HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n"
    assert proxy.ask(proxy.alice, body)[9:] == b"413"
    limited = [proxy.ask(proxy.alice, b"GET /limited HTTP/1.1\r\nHost: x\r\n\r\n")[9:] for _ in range(2)]
    assert limited == [b"502", b"503"]
    assert proxy.ask(proxy.alice, b"GET /closed HTTP/1.1\r\nHost: x\r\n\r\n")[9:] == b"403"
    assert proxy.ask(proxy.alice, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")[9:] == b"404"
    found = {
        reason: told_of(proxy.told(reason)[0])
        for reason in ("too_large", "engine_unreachable", "rate_limited", "forbidden", "answered_by_nginx")
    }
    here = "127.0.0.1"
    assert found == {
        "too_large": ("refused", here, 413, None),
        "engine_unreachable": ("refused", here, None, None),
        "rate_limited": ("refused", here, None, "per_address"),
        "forbidden": ("refused", here, 403, None),
        "answered_by_nginx": ("refused", here, 404, None),
    }


def test_a_client_cannot_write_into_the_log(proxy: Proxy):
    forged = b"GET /closed?, client: 9.9.9.9, server: HTTP/1.1\r\nHost: x\r\n"
    proxy.ask(proxy.alice, b"GET /closed HTTP/1.1\r\nHost: x\r\nbad\x1b[31m, client: 9.9.9.9, server: y\r\n\r\n")
    proxy.ask(proxy.alice, forged + b"\r\n")
    assert {record.get("ip") for record in proxy.told("malformed")} <= {"127.0.0.1", None}
    log = b"".join(path.read_bytes() for path in proxy.sequencer.segments())
    assert b"9.9.9.9" not in log
    assert b"[31m" not in log


def test_a_flood_is_counted_and_the_count_survives_the_end(proxy: Proxy):
    for _ in range(40):
        proxy.ask(None)
    proxy.told("no_certificate")
    assert proxy.end_shipping() == 0
    records = [record for record in proxy.sequencer.records() if record.get("reason") == "no_certificate"]
    counted = of(records, "suppressed")
    assert len(records) < 6
    assert len(records) - len(counted) + sum(record["count"] for record in counted) == 40
    acts = [record["act"] for record in of(proxy.sequencer.records(), "admin")]
    assert (acts[0], acts[-1]) == ("proxy_log_start", "proxy_log_stop")


def test_refusals_wait_for_a_sequencer_that_is_away(proxy: Proxy):
    proxy.sequencer.end()
    proxy.ask(None)
    proxy.ask(proxy.alice, maximum_version=ssl.TLSVersion.TLSv1_2)
    proxy.sequencer.start()
    assert proxy.told("no_certificate")
    assert proxy.told("tls_version")


def test_nginx_finds_the_socket_of_the_next_shipper(proxy: Proxy):
    proxy.ask(None)
    proxy.told("no_certificate")
    proxy.end_shipping(signal.SIGKILL)
    proxy.ship()

    def arrives() -> bool:
        proxy.ask(proxy.alice, maximum_version=ssl.TLSVersion.TLSv1_2)
        return any(record.get("reason") == "tls_version" for record in proxy.sequencer.records())

    wait_until(arrives)


def test_a_socket_in_use_is_left_alone(proxy: Proxy):
    words = ["audit", "ship-nginx", "--listen", f"unix:{proxy.socket}", "--socket", str(proxy.sequencer.socket)]
    again = subprocess.run(
        [sys.executable, "-m", "deepseek_local", *words], capture_output=True, text=True, check=False, timeout=20
    )
    assert (again.returncode, "another process reads from" in again.stderr) == (1, True)
    proxy.ask(None)
    assert proxy.told("no_certificate")
