"""
The witness on the network: HTTP/1.1 with `POST /add-checkpoint`, over TLS where it has a certificate (C2SP tlog-witness).

Everybody may ask, because the log's signature says who speaks; so all that a stranger can use up has a limit: bytes, time, connections.
It is ended by any signal at any moment: what was answered was remembered before, and there is nothing to tidy up.
"""

import http.server
import io
import logging
import re
import socket
import ssl
from http import HTTPStatus
from typing import Any

from deepseek_local.errors import WitnessError
from deepseek_local.witness.cosigning import Answer, Cosigning
from deepseek_local.witness.deadline import DeadlineReader
from deepseek_local.witness.places import Places
from deepseek_local.witness.submission import BYTES_LIMIT, PATH

REQUEST_SECONDS = 10.0
"""For the handshake, and for each request from its first expected byte to its last; an idle connection is closed after that."""
CONNECTIONS_LIMIT = 64
"""At the same time; one more is closed at once."""
CALLER_CONNECTIONS_LIMIT = 8
"""Of one address at the same time, so that one host cannot shut out all others; a log needs one for a moment each minute."""

_LOG = logging.getLogger(__name__)
_PASSED_OVER_BYTES = 16 * BYTES_LIMIT
_LENGTH = re.compile(r"[0-9]{1,9}")


def run(cosigning: Cosigning, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
    """Answer until a signal ends the process. Raises `WitnessError` when the address cannot be used."""
    try:
        server = Server(cosigning, host, port, tls)
    except OSError as error:
        raise WitnessError(
            f"{host} port {port} cannot be listened on ({error.strerror}); choose another --listen"
        ) from error
    _LOG.info("listening on %s", server.url)
    server.serve_forever()


class Server(http.server.ThreadingHTTPServer):
    """One thread for each connection. Raises `OSError` when the address cannot be used."""

    daemon_threads = True
    request_queue_size = CONNECTIONS_LIMIT

    def __init__(self, cosigning: Cosigning, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.cosigning = cosigning
        self._tls = tls
        self._places = Places(CONNECTIONS_LIMIT, CALLER_CONNECTIONS_LIMIT)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where it answers; with port 0 the system has chosen one."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def server_bind(self) -> None:
        """Bind without asking the name service for our own name, which can take seconds without a network."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread if there is a place for it."""
        if not self._places.take(client_address[0]):
            _LOG.warning("closed a connection of %s: it has too many, or all have", client_address[0])
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # there is no thread for it
            self._places.leave(client_address[0])
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and leave its place at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.leave(client_address[0])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Begin TLS in the thread of the connection, so that a slow handshake holds up nobody else."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(REQUEST_SECONDS)
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- socketserver's signature
        """Note why a connection ended; it is the client's business in most cases, and never ours to end for."""
        _LOG.warning("the connection of %s failed", client_address[0], exc_info=_LOG.isEnabledFor(logging.DEBUG))


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    default_request_version = protocol_version  # else what is no request is answered without a status
    disable_nagle_algorithm = True  # else the body waits 40 ms for the client to acknowledge the head
    server: Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = DeadlineReader(self.connection, REQUEST_SECONDS)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        self._reader.extend(REQUEST_SECONDS)
        super().handle_one_request()

    def do_POST(self) -> None:
        """Answer a submission."""
        length = self._length()
        if isinstance(length, Answer):
            self.close_connection = True  # where the next request begins nobody can say
            self._send(length)
            return
        try:
            body = self.rfile.read(length)
        except TimeoutError:
            self.send_error(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {REQUEST_SECONDS:.0f} s")
            return
        if len(body) < length:
            self.close_connection = True
        elif self.path != PATH:
            self._send(Answer.sentence(HTTPStatus.NOT_FOUND, f"there is nothing here but POST {PATH}"))
        else:
            self._send(self.server.cosigning.answer(body))

    def do_GET(self) -> None:
        """Say what can be done instead."""
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED, f"there is nothing here but POST {PATH}")

    def _length(self) -> int | Answer:
        """Return how many bytes the body has, or why it is not read."""
        lengths = self.headers.get_all("content-length", [])
        if len(lengths) != 1 or "transfer-encoding" in self.headers:
            return Answer.sentence(HTTPStatus.LENGTH_REQUIRED, "send the body at once, with one Content-Length")
        if _LENGTH.fullmatch(lengths[0]) is None:
            return Answer.sentence(HTTPStatus.BAD_REQUEST, "the Content-Length is not a number of bytes")
        if int(lengths[0]) > BYTES_LIMIT:
            self._pass_over(min(int(lengths[0]), _PASSED_OVER_BYTES))
            return Answer.sentence(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {BYTES_LIMIT} bytes, not {lengths[0]}"
            )
        return int(lengths[0])

    def _pass_over(self, length: int) -> None:
        """Receive what is not wanted: to close a connection with bytes unread takes the answer away from the client."""
        while length > 0 and (piece := self.rfile.read(min(length, BYTES_LIMIT))):
            length -= len(piece)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 -- http.server's signature
        """Refuse what is not the protocol, in a sentence too, and end the connection."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._send(Answer.sentence(status, message or status.description))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.media_type)
        self.send_header("content-length", str(len(answer.body)))
        self.send_header("cache-control", "no-store")
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("allow", "POST")
        if self.close_connection:
            self.send_header("connection", "close")
        self.connection.settimeout(REQUEST_SECONDS)
        self.end_headers()
        self.wfile.write(answer.body)

    def version_string(self) -> str:
        return "deepseek-local-witness"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- http.server's signature
        """Let `Cosigning` tell what matters; this is for finding mistakes."""
        _LOG.debug("%s %r", self.client_address[0], format % arguments)
