"""A receiver of syslog over TLS on loopback, which can go away, come back, and leave what it was sent unread."""

import socket
import ssl
import threading
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from certificates import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

AUTHORITY = Authority("collector-ca", datetime.now(UTC))


def written(directory: Path, name: str, *usage: x509.ObjectIdentifier) -> tuple[Path, Path]:
    """Issue a certificate for loopback; return its file and that of the key."""
    identity = AUTHORITY.issue(x509.IPAddress(ip_address("127.0.0.1")), common_name=name, usage=usage)
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(identity.pem)
    key.write_bytes(identity.key_pem)
    return certificate, key


class TLSCollector:
    """One collector with one port, at any time up or down."""

    def __init__(self, directory: Path) -> None:
        self.authorities = directory / "ca.pem"
        self.authorities.write_bytes(AUTHORITY.pem)
        self.client = written(directory, "exporter", ExtendedKeyUsageOID.CLIENT_AUTH)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*written(directory, "collector", ExtendedKeyUsageOID.SERVER_AUTH))
        self._context.load_verify_locations(self.authorities)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self.port = 0
        self.received: list[bytearray] = []
        """The bytes of each connection."""
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stream: ssl.SSLSocket | None = None

    def start(self, connections: int = 1, leave_after_bytes: int | None = None) -> None:
        """Take so many connections, each until its end or until so many bytes were read."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        arguments = (self._listener, connections, leave_after_bytes)
        self._thread = threading.Thread(target=self._serve, args=arguments, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Leave at once."""
        assert self._stream is not None
        self._stream.shutdown(socket.SHUT_RDWR)

    def ended(self) -> list[bytearray]:
        """Wait until all connections have been served; return what each brought."""
        assert self._thread is not None
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.received

    def _serve(self, listener: socket.socket, connections: int, leave_after_bytes: int | None) -> None:
        with listener:
            for _ in range(connections):
                plain, _ = listener.accept()
                self.received.append(bytearray())
                try:
                    with self._context.wrap_socket(plain, server_side=True) as self._stream:
                        self._read(self._stream, leave_after_bytes)
                except OSError:
                    """The client left in its own way."""

    def _read(self, stream: ssl.SSLSocket, leave_after_bytes: int | None) -> None:
        while leave_after_bytes is None or len(self.received[-1]) < leave_after_bytes:
            data = stream.recv(4096 if leave_after_bytes is None else 64)
            if not data:
                return
            self.received[-1] += data


def messages(stream: bytes | bytearray) -> list[bytes]:
    """Take octet-counted messages apart."""
    found, stream = [], bytes(stream)
    while stream:
        length, _, rest = stream.partition(b" ")
        found.append(rest[: int(length)])
        stream = rest[int(length) :]
    return found
