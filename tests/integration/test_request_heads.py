"""Heads without end are not read, whatever they consist of, and targets are seen as they were spelled; everything else passes as before."""

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from uvicorn.protocols.http import auto, httptools_impl

from deepseek_local.engine import request_heads
from deepseek_local.engine.request_heads import LIMIT_BYTES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = REQUEST + b"transfer-encoding: chunked\r\n\r\n"
PIECE = b"a" * 16_384


async def count(scope, receive, send):
    """Answer with the number of bytes in the body."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"%d" % size})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auto, "AutoHTTPProtocol", httptools_impl.HttpToolsProtocol)
        request_heads.limit()
        config = uvicorn.Config(count, http="auto", ws="none", lifespan="off", log_level="critical")
        config.load()
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def sent_until_refused(port: int, beginning: bytes, pieces: Iterator[bytes]) -> tuple[int, bytes]:
    """Send without end; return how much was sent before the server hung up, and what it said, if that was not lost."""
    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        with contextlib.suppress(OSError):
            stream.sendall(beginning)
            for piece in itertools.islice(pieces, 4_096):
                stream.sendall(piece)
                sent += len(piece)
        with contextlib.suppress(OSError):
            answer = stream.recv(4_096)
    return sent, answer


@pytest.mark.parametrize(
    ("beginning", "pieces"),
    [
        (REQUEST, (b"x-%d: %b\r\n" % (number, PIECE) for number in itertools.count())),
        (REQUEST + b"x: ", itertools.repeat(PIECE)),
        (b"GET /?", itertools.repeat(PIECE)),
        (CHUNKED + b"1\r\na\r\n0\r\n", (b"x-%d: %b\r\n" % (number, PIECE) for number in itertools.count())),
        (CHUNKED + b"1;", itertools.repeat(PIECE)),
    ],
    ids=["headers", "one header", "target", "trailers", "chunk extension"],
)
def test_a_head_without_end_is_not_read(port: int, beginning: bytes, pieces: Iterator[bytes]):
    # What is on its way in the kernel's buffers counts as sent.
    sent, answer = sent_until_refused(port, beginning, pieces)
    assert sent < 16 * 1024 * 1024
    assert answer[:12] in (b"HTTP/1.1 400", b"")


@pytest.mark.parametrize(
    "request_bytes",
    [
        REQUEST + b"x: " + b"a" * (LIMIT_BYTES - 1_000) + b"\r\ncontent-length: 4194304\r\n\r\n" + bytes(4_194_304),
        CHUNKED + b"400000\r\n" + bytes(4_194_304) + b"\r\n0\r\n\r\n",
        CHUNKED + b"1;extension\r\na\r\n" * 100_000 + b"0\r\ntrailer: a\r\n\r\n",
    ],
    ids=["length", "one chunk", "many chunks"],
)
def test_bodies_pass_whatever_their_size(port: int, request_bytes: bytes):
    expected = b"100000" if b"extension" in request_bytes else b"4194304"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        stream.sendall(request_bytes)
        with stream.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n" + expected + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "spelled"),
    [
        (b"/v1/models", b"/v1/models"),
        (b"/v1/models?a=/b#c?d", b"/v1/models?a=/b#c?d"),
        (b"/v1/models#x", b"/v1/models%23x"),
        (b"http://a/v1/models", b"/http://a/v1/models"),
        (b"http://a?/v1/models", b"/http://a?/v1/models"),
        (b"a:80", b"/a:80"),
        (b"*", b"/*"),
        (b"", b"/"),
    ],
)
def test_only_a_plain_path_stays_as_it_is(target: bytes, spelled: bytes):
    assert request_heads.as_spelled(target) == spelled


def test_a_server_over_h11_keeps_its_own_limits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(auto, "AutoHTTPProtocol", asyncio.Protocol)
    request_heads.limit()
    assert auto.AutoHTTPProtocol is asyncio.Protocol
