"""A small web server on a Unix socket or on loopback, for code that talks HTTP; what it answers is up to the test."""

import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int = 200
    chunks: tuple[bytes, ...] = (b"{}",)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """End the connection in the middle of the body."""


Answer = Callable[[Request], Reply]


class _Quiet:
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client may leave early; that is its business."""


class _TCPServer(_Quiet, ThreadingHTTPServer):
    pass


class _UnixServer(_Quiet, socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            reply = answer(Request(self.command, self.path, dict(self.headers.items()), body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.send_header("connection", "close")
            self.end_headers()
            for chunk in reply.chunks:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            if not reply.cut:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = _serve  # noqa: N815 -- names that http.server prescribes

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "client"

    return Handler


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a server and return its address; `web(answer, "unix")` listens on a Unix socket."""
    with ExitStack() as stack:

        def start(answer: Answer, listen: str = "tcp") -> str:
            if listen == "unix":
                path = tmp_path / "front.sock"
                stack.enter_context(_running(_UnixServer(str(path), _handler(answer))))
                return f"unix:{path}"
            server = _TCPServer(("127.0.0.1", 0), _handler(answer))
            stack.enter_context(_running(server))
            return f"http://127.0.0.1:{server.server_port}"

        yield start


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
