"""A site with certificates of its own, and the real nginx on loopback with the configuration that is rendered for it."""

import grp
import json
import os
import pwd
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from certified_site import NGINX, free_port
from cryptography import x509
from waiting import wait_until

from deepseek_local.identity import keys as secret_keys
from deepseek_local.pki import certificates, founding, keys, names, trust
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import LEAF_LIFE, Purpose
from deepseek_local.pki.layout import CERTIFICATE, KEY, Layout
from deepseek_local.profile.load import load
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile
from deepseek_local.proxy import configuration
from deepseek_local.proxy.running import Program
from deepseek_local.proxy.surroundings import Surroundings

SITE = "hospital.example"
NAME = "api.hospital.example"
NOW = datetime.now(UTC)
FOUNDED = NOW - timedelta(days=30)


@dataclass
class Shown:
    """What a client shows: certificate with its authority, and key."""

    certificate: x509.Certificate
    file: Path


@dataclass
class Answer:
    """What came back over a raw connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        code = json.loads(self.body)["error"]["code"]
        assert isinstance(code, str)
        return code


@dataclass
class FrontedSite:
    """Authorities, a profile, and one nginx."""

    place: Path
    sets: tuple[str, ...] = ()
    replicas: int = 1
    port: int = field(default_factory=free_port)
    down: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name in ("home", "run", "nginx", "logs", "temporary"):
            (self.place / name).mkdir(parents=True)
        self.layout = Layout(self.places.home / "pki")
        founding.found(self.layout, SITE, (), FOUNDED)
        self.publish(NOW)
        self.renew()
        self.alice = self.client("u:alice")

    @property
    def places(self) -> Places:
        return Places(self.place / "home", self.place / "run")

    @property
    def sockets(self) -> list[Path]:
        return [
            self.place / "run" / "front.sock",
            *(self.place / "run" / f"{n}.sock" for n in range(2, self.replicas + 1)),
        ]

    @property
    def settings(self) -> tuple[str, ...]:
        """What differs from the profile that it is made of."""
        own = (
            "gateway.listen=unix",
            f"gateway.socket_group={grp.getgrgid(os.getgid()).gr_name}",
            'gateway.certificates.issuers=["pki/trust/client-issuers.pem"]',
            f"tls.site={SITE}",
            f'tls.server_names=["{NAME}", "127.0.0.1"]',
            'tls.addresses=["127.0.0.1"]',
            f"tls.port={self.port}",
            f"tls.replicas={json.dumps([str(each) for each in self.sockets[1:]])}",
        )
        return *own, *self.sets

    @property
    def profile(self) -> Profile:
        return load("cpu-demo", sets=self.settings)

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            name="test",
            refusals=self.place / "nginx.sock",
            user=pwd.getpwuid(os.getuid()).pw_name,
            logs=self.place / "logs",
            pid=self.place / "nginx.pid",
            temporary=self.place / "temporary",
        )

    @property
    def file(self) -> Path:
        return self.place / "nginx" / "nginx.conf"

    @property
    def authority(self) -> Authority:
        return self.layout.hierarchy(Purpose.CLIENT).issuer

    def publish(self, now: datetime) -> None:
        """Sign the lists of all levels as of then."""
        for purpose in Purpose:
            hierarchy = self.layout.hierarchy(purpose)
            for each in (hierarchy.root, *hierarchy.issuers()):
                each.publish(now)
        trust.publish_lists(self.layout)

    def renew(self) -> None:
        """Put a new certificate of the server into use."""
        issuer = self.layout.hierarchy(Purpose.SERVER).issuer
        key = keys.for_leaf()
        leaf = issuer.issue(key.public_key(), names.server([NAME, "127.0.0.1"]), purpose=Purpose.SERVER, now=NOW)
        chain = certificates.pem([leaf, issuer.certificate])
        self.layout.server.switch(self.layout.server.stage({CERTIFICATE: chain, KEY: keys.pem(key)}))

    def client(
        self,
        principal: str,
        *,
        authority: Authority | None = None,
        purpose: Purpose = Purpose.CLIENT,
        now: datetime = NOW,
        life: timedelta = LEAF_LIFE,
        alternative: tuple[x509.GeneralName, ...] | None = None,
    ) -> Shown:
        """Issue a certificate, right by default."""
        issuer = authority or self.authority
        key = keys.for_leaf()
        alternative = alternative or (names.principal(principal, SITE),)
        leaf = issuer.issue(key.public_key(), alternative, purpose=purpose, now=now, life=life)
        file = self.place / f"{leaf.serial_number:x}.pem"
        file.write_bytes(certificates.pem([leaf, issuer.certificate]) + keys.pem(key))
        return Shown(leaf, file)

    def configure(self) -> None:
        program = Program()
        text = configuration.render(self.profile, self.places, self.surroundings, program.version(), self.down)
        self.file.write_text(text)
        key = secret_keys.ensure(self.places.proxy_key)
        (self.file.parent / configuration.KEY_FILE).write_text(configuration.key_file(key))
        program.check(self.file)

    def reload(self) -> None:
        """Render anew and wait until the workers of before take no more connections."""
        before = self._workers()
        self.configure()
        Program().reload(self.file)
        wait_until(lambda: bool(self._workers() - before) and not self._accepting(before))

    @contextmanager
    def served(self) -> Iterator[None]:
        """Run nginx."""
        assert NGINX is not None
        self.configure()
        command = [NGINX, "-e", "stderr", "-c", str(self.file), "-g", "daemon off;"]
        self.nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.listens() or self.nginx.poll() is not None)
            assert self.nginx.poll() is None
            yield
        finally:
            self.nginx.terminate()
            self.nginx.wait(20)

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def context(self, shown: Shown | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(self.layout.trust / trust.SERVER_ROOT)
        if shown is not None:
            context.load_cert_chain(shown.file)
        return context

    @contextmanager
    def connected(
        self, shown: Shown | None, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> Iterator[ssl.SSLSocket]:
        context = context or self.context(shown)
        with (
            socket.create_connection(("127.0.0.1", self.port), 20) as stream,
            context.wrap_socket(stream, server_hostname=NAME, session=session) as secured,
        ):
            yield secured

    def ask(
        self, shown: Shown | None, request: bytes = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ) -> Answer:
        """Send bytes, and read until the server closes."""
        with self.connected(shown) as stream:
            stream.sendall(request)
            return read(stream)

    @contextmanager
    def through(self, shown: Shown) -> Iterator[httpx.Client]:
        address = f"https://127.0.0.1:{self.port}"
        with httpx.Client(base_url=address, verify=self.context(shown), timeout=20) as client:
            yield client

    def logged(self, name: str = "access") -> list[dict[str, Any]]:
        text = (self.place / "logs" / f"deepseek-local.{name}.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def _workers(self) -> set[int]:
        (children,) = Path(f"/proc/{self.nginx.pid}/task").glob("*/children")
        return {int(word) for word in children.read_text().split()}

    def _accepting(self, workers: set[int]) -> bool:
        """Whether a worker still has the listening socket."""
        return any(b"shutting down" not in _title(each) for each in workers & self._workers())


def _title(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b"shutting down"


def read(stream: socket.socket) -> Answer:
    """Read one answer: as many bytes as it announces, or to the end of the connection."""
    data = b""
    try:
        while not _is_whole(data) and (piece := stream.recv(65_536)):
            data += piece
    except ConnectionResetError:
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), headers, body)


def _is_whole(data: bytes) -> bool:
    head, _, body = data.lower().partition(b"\r\n\r\n")
    announced = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
    return bool(announced) and len(body) >= int(announced[0].split()[1])
