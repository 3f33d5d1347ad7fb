"""A real nginx of the test's own user, in front of the Unix socket of a real front door."""

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
from certificates import SITE, Authority, Identity
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deepseek_local.identity import keys
from deepseek_local.profile.front_door import Bans
from deepseek_local.profile.handover import CertificateSettings, GatewaySettings
from tests.integration.gateway.conftest import Door, wait_until

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

PAGE = Path(__file__).parents[3] / "docs/en/how-to/identities.md"
"""What it tells operators to write is what is tested."""

FRAME = """\
daemon off;
master_process off;
user {user};
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    scgi_temp_path {place}/scgi;
    uwsgi_temp_path {place}/uwsgi;
    {servers}
}}
"""


class ProxiedDoor(Door):
    """A front door on a Unix socket behind nginx, and, as no deployment has it, on TCP beside it."""

    def __init__(self, directory: Path, http: str) -> None:
        super().__init__(directory, http)
        self.front = directory / "front.sock"
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self.front))
        self.listeners.append(unix)
        self.clients, self.servers = Authority(now=datetime.now(UTC)), Authority("servers", datetime.now(UTC))
        self.denied = directory / "denied-serials.txt"
        self.proxy_key = keys.ensure(directory / "proxy.key")
        (directory / "clients.pem").write_bytes(self.clients.pem)
        (directory / "servers.pem").write_bytes(self.servers.pem)
        self.strict, self.careless = _free_ports(2)

    def settings(self) -> GatewaySettings:
        certificates = CertificateSettings(
            site=SITE, issuer_files=(self.directory / "clients.pem",), denied_serials_file=self.denied
        )
        more: dict[str, Any] = {
            "certificates": certificates,
            "proxy_key_file": self.directory / "proxy.key",
            "bans": Bans(failures=20, seconds=60),
        }
        return super().settings().model_copy(update=more)

    @contextmanager
    def proxied(self) -> Iterator[None]:
        assert PROGRAM is not None
        address = x509.IPAddress(ip_address("127.0.0.1"))
        server = self.servers.issue(address, usage=(ExtendedKeyUsageOID.SERVER_AUTH,))
        (self.directory / "server.pem").write_bytes(server.pem)
        (self.directory / "server.key").write_bytes(server.key_pem)
        subprocess.run(["sh", "-ec", self._here(_block("sh", "proxy.key"))], check=True)
        strict = self._here(_block("nginx", "server {")).replace("listen 443", f"listen 127.0.0.1:{self.strict}")
        careless = strict.replace(str(self.strict), str(self.careless)).replace(
            "verify_client optional", "verify_client optional_no_ca"
        )
        file = self.directory / "nginx.conf"
        user = pwd.getpwuid(os.getuid()).pw_name
        file.write_text(FRAME.format(user=user, place=self.directory, servers=strict + careless))
        error_log = self.directory / "error.log"
        process = subprocess.Popen([PROGRAM, "-c", str(file), "-e", str(error_log)], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _listens(self.careless) and process.poll() is None, "nginx listens")
            yield
        finally:
            process.terminate()
            process.wait(10)

    def _here(self, text: str) -> str:
        """Put the test's directory in the place of those that the page names."""
        for path in ("/etc/nginx", "/run/deepseek-local/67b", "/var/lib/deepseek-local/67b"):
            text = text.replace(path, str(self.directory))
        return text

    @contextmanager
    def through(
        self, identity: Identity | None = None, address: str = "127.0.0.1", port: int | None = None
    ) -> Iterator[httpx.Client]:
        """Come to nginx, from an address of this host, with a client certificate or without."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.directory / "servers.pem")
        if identity is not None:
            chain = self.directory / f"{identity.serial}.pem"
            chain.write_bytes(identity.pem + identity.key_pem)
            context.load_cert_chain(chain)
        transport = httpx.HTTPTransport(verify=context, local_address=address)
        with httpx.Client(base_url=f"https://127.0.0.1:{port or self.strict}", transport=transport, timeout=20) as one:
            yield one

    @contextmanager
    def direct(self) -> Iterator[httpx.Client]:
        """Come to the Unix socket without nginx."""
        transport = httpx.HTTPTransport(uds=str(self.front))
        with httpx.Client(base_url="http://front-door", transport=transport, timeout=20) as one:
            yield one


def _block(language: str, part: str) -> str:
    """Return the one block of the page that is in this language and has this part."""
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if part in block]
    return found


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
