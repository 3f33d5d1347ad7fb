"""A site whose certificates are made with `deepseek-local certs`, and a real nginx on loopback that serves them in front of a small upstream."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from waiting import wait_until

from deepseek_local.cli.main import run
from deepseek_local.pki.layout import Layout

NAME = "api.hospital.example"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_CONFIGURATION = """
{user}
worker_processes 2;
error_log {place}/error.log notice;
pid {place}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/f;
    uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {pki}/live/server/current/certificate.pem;
        ssl_certificate_key {pki}/live/server/current/key.pem;
        ssl_protocols TLSv1.3;
        ssl_client_certificate {pki}/trust/client-authorities.pem;
        ssl_crl {pki}/trust/client-crl.pem;
        ssl_verify_client on;
        ssl_verify_depth 2;
        {resumption}
        {more}
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_buffering off;
        }}
    }}
}}
"""
RESUMPTION_OFF = "ssl_session_cache off; ssl_session_tickets off;"


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """`/stream/N` sends N lines, 20 a second; everything else one."""
        lines = int(self.path.rpartition("/")[2]) if self.path.startswith("/stream/") else 1
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(lines):
            line = f"data: {number}\n".encode()
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            if lines > 1:
                time.sleep(0.05)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class CertifiedSite:
    """One home, one nginx."""

    place: Path
    port: int = field(default_factory=free_port)
    sets: tuple[str, ...] = ()
    resumption: str = RESUMPTION_OFF
    more: str = ""

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def layout(self) -> Layout:
        return Layout(self.home / "pki")

    @property
    def configuration(self) -> Path:
        return self.place / "nginx" / "nginx.conf"

    def arguments(self, *words: str) -> list[str]:
        """Return a command line of `certs` for this site."""
        settings = [
            "tls.site=hospital.example",
            f'tls.server_names=["{NAME}", "127.0.0.1"]',
            f"tls.port={self.port}",
            *self.sets,
        ]
        chosen = [word for setting in settings for word in ("--set", setting)]
        return ["certs", *words, "--home", str(self.home), "--profile", "cpu-demo", *chosen]

    def certs(self, *words: str) -> int:
        return run(self.arguments(*words))

    def nginx_words(self) -> tuple[str, ...]:
        return "--nginx-config", str(self.configuration), "--probe", f"127.0.0.1:{self.port}"

    def rotate(self, *words: str) -> int:
        return self.certs("rotate", *self.nginx_words(), *words)

    def found(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        assert self.certs("init") == 0
        assert self.certs("issue", "server") == 0

    def bundle(self, principal: str) -> Path:
        """Issue a client certificate and return its PEM file."""
        directory = self.place / principal.replace(":", "-")
        assert self.certs("issue", "client", principal, "--to", str(directory)) == 0
        return directory / f"{principal.replace(':', '-')}.pem"

    def configure(self, upstream: int) -> None:
        place = self.configuration.parent
        place.mkdir(exist_ok=True)
        user = "user root;" if os.geteuid() == 0 else ""
        text = _CONFIGURATION.format(
            place=place,
            pki=self.layout.directory,
            port=self.port,
            upstream=upstream,
            user=user,
            resumption=self.resumption,
            more=self.more,
        )
        self.configuration.write_text(text)

    @contextmanager
    def served(self):
        """Run nginx and its upstream until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.configure(server.server_address[1])
        command = [NGINX, "-e", "stderr", "-c", str(self.configuration), "-g", "daemon off;"]
        nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.listens() or nginx.poll() is not None)
            assert nginx.poll() is None, (self.configuration.parent / "error.log").read_text()
            yield nginx
        finally:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait(timeout=20)
            server.shutdown()
            server.server_close()
            thread.join()

    def listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def curl(self, *words: str, path: str = "/") -> str:
        """Return the status that curl sees, or why it saw none."""
        command = ["curl", "-s", "-S", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", "--noproxy", "*"]
        command += [
            "--cacert",
            str(self.layout.trust / "server-root.pem"),
            "--resolve",
            f"{NAME}:{self.port}:127.0.0.1",
        ]
        done = subprocess.run(
            [*command, *words, f"https://{NAME}:{self.port}{path}"], check=False, capture_output=True, text=True
        )
        return done.stdout if done.returncode == 0 else done.stderr.strip()

    def served_serial(self) -> str:
        """Return what openssl sees, in the spelling of the ledger."""
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", NAME]
        shown = subprocess.run(command, check=False, capture_output=True, input=b"").stdout
        printed = subprocess.run(["openssl", "x509", "-noout", "-serial"], check=True, capture_output=True, input=shown)
        return printed.stdout.decode().strip().removeprefix("serial=").lower()

    def current_serial(self) -> str:
        printed = subprocess.run(
            [
                "openssl",
                "x509",
                "-noout",
                "-serial",
                "-in",
                str(self.layout.directory / "live/server/current/certificate.pem"),
            ],
            check=True,
            capture_output=True,
        )
        return printed.stdout.decode().strip().removeprefix("serial=").lower()

    def json(self, capsys, *words: str) -> object:
        """Run a command and return its result."""
        capsys.readouterr()
        self.certs(*words, "--format", "json")
        return json.loads(capsys.readouterr().out)
