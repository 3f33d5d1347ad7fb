"""
A collector of syslog over TLS (RFC 5425).

A batch counts as delivered when the collector's host has confirmed every byte (the send queue of the connection is empty, SIOCOUTQ of
tcp(7)) and the connection still stands. Syslog itself has no acknowledgement, so what the collector had
not read when it died may be lost there; therefore a new connection begins with the messages that were the last ones on the old one.
"""

import array
import fcntl
import select
import socket
import ssl
import termios
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from deepseek_local.errors import AuditError
from deepseek_local.files import read_regular

TIMEOUT_SECONDS = 30.0
"""How long a collector may take for one step."""
REPEATED = 1024
"""Messages that a new connection repeats."""

_POLL_SECONDS = 0.002
_VERDICT_SECONDS = 3.0
"""A receiver that sends no session tickets says nothing when it is content; this is how long it may take to complain."""


def trust(authorities: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Say whom we believe and who we are; without `authorities` the system's are believed. Raises `AuditError`."""
    try:
        for path in filter(None, (authorities, certificate, key)):
            read_regular(path, 1)  # OpenSSL would wait for the other end of a pipe
        context = ssl.create_default_context(cafile=authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        files = ", ".join(str(each) for each in (authorities, certificate, key) if each)
        raise AuditError(f"{files} cannot be used for TLS: {error}; give PEM files that belong together") from error
    return context


def _no_password() -> str:
    """Answer for OpenSSL, which would ask the terminal."""
    raise ValueError("the key has a password")


class Collector:
    """A syslog receiver; the connection is opened when it is first needed and again after a failure."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = (host, port)
        self._context = context
        self._timeout_seconds = timeout_seconds
        self._stream: ssl.SSLSocket | None = None
        self._recent: deque[bytes] = deque(maxlen=REPEATED)

    def __str__(self) -> str:
        """Name it."""
        host, port = self._address
        return f"the collector {host}:{port}"

    def deliver(self, batch: Sequence[bytes]) -> None:
        """Send messages and wait until the other host has them. Raises `OSError`."""
        try:
            if self._stream is None:
                self._stream = self._connect()
                # In TLS 1.3 our side is done before the other has judged our certificate; its next words tell how it did.
                select.select([self._stream], [], [], _VERDICT_SECONDS)
                _check_open(self._stream)
                self._stream.sendall(b"".join(self._recent))
            _send(self._stream, b"".join(batch), self._timeout_seconds)
        except OSError:
            self._abandon()
            raise
        self._recent.extend(batch)

    def close(self) -> None:
        """Say that no more comes, and wait until the collector has said so too."""
        if self._stream is not None:
            try:
                self._stream.unwrap()
            except OSError:  # everything was delivered before; a receiver need not answer the farewell
                pass
            finally:
                self._abandon()

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self._address, self._timeout_seconds)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return self._context.wrap_socket(plain, server_hostname=self._address[0])
        except BaseException:
            plain.close()
            raise

    def _abandon(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _send(stream: ssl.SSLSocket, data: bytes, timeout_seconds: float) -> None:
    """Send and wait for the confirmation of the other host. Raises `OSError`."""
    stream.settimeout(timeout_seconds)
    _check_open(stream)
    stream.sendall(data)
    end = time.monotonic() + timeout_seconds
    while _unconfirmed_bytes(stream):
        _check_open(stream)
        if time.monotonic() > end:
            raise TimeoutError(f"it did not confirm a message within {timeout_seconds:g} s")
        time.sleep(_POLL_SECONDS)
    _check_open(stream)


def _check_open(stream: ssl.SSLSocket) -> None:
    """A collector says nothing, so whatever can be read is the end. Raises `OSError`."""
    timeout = stream.gettimeout()
    stream.settimeout(0)
    try:
        said = stream.recv(1)
    except ssl.SSLWantReadError:
        return
    finally:
        stream.settimeout(timeout)
    raise ConnectionResetError("it spoke" if said else "it closed the connection")


def _unconfirmed_bytes(stream: ssl.SSLSocket) -> int:
    answer = array.array("i", [0])
    fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, answer)
    return answer[0]
