"""What anybody on the network can do to a witness: nothing that lasts."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from certificates import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from logs_to_witness import SIGNER, GrowingLog, policy_text
from witness_process import submit

from deepseek_local.tlog import policy
from deepseek_local.witness import memory, server, tls
from deepseek_local.witness.cosigning import Cosigning
from deepseek_local.witness.memory import Memory
from deepseek_local.witness.server import Server
from deepseek_local.witness.submission import BYTES_LIMIT, Submission

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 10.0
LOOPBACK = "127.0.0.1"


@pytest.fixture
def cosigning(tmp_path):
    memory.create(tmp_path / "witness", "audit.example/w1")
    return Cosigning(Memory(tmp_path / "witness"), policy.parse(policy_text([], "none").encode()))


def serving(witness: Server) -> Iterator[Server]:
    thread = threading.Thread(target=witness.serve_forever, args=(0.01,))
    thread.start()
    yield witness
    witness.shutdown()
    witness.server_close()
    thread.join()


@pytest.fixture
def plain(cosigning):
    yield from serving(Server(cosigning, LOOPBACK, 0))


@pytest.fixture
def hasty(cosigning, monkeypatch):
    """A witness with little patience and few connections."""
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(server, "CONNECTIONS_LIMIT", 2)
    yield from serving(Server(cosigning, LOOPBACK, 0))


def connected(witness: Server, source: str = LOOPBACK) -> socket.socket:
    """Connect from one of the addresses that this host has on loopback."""
    return socket.create_connection(witness.server_address, PATIENCE_SECONDS, (source, 0))


def talk(witness: Server, *pieces: bytes, source: str = LOOPBACK) -> bytes:
    """Send pieces and return everything that comes back until the connection ends."""
    with connected(witness, source) as stream:
        for piece in pieces:
            stream.sendall(piece)
        return received(stream)


def received(stream: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := stream.recv(65_536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def post(length: str, path: str = "/add-checkpoint", more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def test_one_connection_serves_one_submission_after_the_other(plain, tmp_path):
    body = Submission.of(0, (), GrowingLog(tmp_path / "log").grow(3)).encode()
    last = post(str(len(body)), more="Connection: close\r\n")
    answer = talk(plain, post(str(len(body))) + body, last + body)
    assert [line for line in answer.splitlines() if line.startswith(b"HTTP/1.1 ")] == [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 409 Conflict",
    ]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", 405),
        (b"DELETE /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", 501),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", 411),
        (post("3", more="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 411),
        (post("3", more="Content-Length: 4\r\n") + b"abcd", 411),
        (post("-1"), 400),
        (post("x"), 400),
        (post(str(BYTES_LIMIT + 1)) + b"x" * (BYTES_LIMIT + 1), 413),
        (post("3", more="Connection: close\r\n") + b"abc", 400),
        (post("3", "/", more="Connection: close\r\n") + b"abc", 404),
        (post("3", "/add-checkpoint?", more="Connection: close\r\n") + b"abc", 404),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /add-checkpoint HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_what_is_not_the_protocol_gets_a_status_and_one_sentence(plain, request_bytes, status):
    head, _, body = talk(plain, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head.lower()
    assert body.endswith(b"\n")
    assert body.count(b"\n") == 1


def test_a_body_that_ends_early_is_not_judged(plain):
    with socket.create_connection(plain.server_address, PATIENCE_SECONDS) as stream:
        stream.sendall(post("100") + b"old 0\n")
        stream.shutdown(socket.SHUT_WR)
        assert received(stream) == b""


@pytest.mark.parametrize("begun", [b"", b"POST /add-ch", post("100"), post("100") + b"old"], ids=str)
def test_a_client_that_drips_bytes_is_cut_off_in_time(hasty, begun):
    with socket.create_connection(hasty.server_address, PATIENCE_SECONDS) as stream:
        stream.sendall(begun)
        ended = threading.Event()

        def drip() -> None:
            try:
                while not ended.wait(0.05):
                    stream.sendall(b"x")
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        answer = received(stream)
        ended.set()
        thread.join()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))


def test_one_connection_too_many_is_closed_and_a_place_becomes_free_again(hasty, tmp_path):
    held = [socket.create_connection(hasty.server_address, PATIENCE_SECONDS) for _ in range(3)]
    assert received(held[2]) == b""
    for stream in held:
        stream.close()
    body = Submission.of(0, (), GrowingLog(tmp_path / "log").grow(3)).encode()
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = talk(hasty, post(str(len(body)), more="Connection: close\r\n") + body)
        if answer or time.monotonic() > end:
            break
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begun", [b"", b"POST /add-checkpoint HTTP/1.1\r\n", post("100") + b"old"], ids=str)
def test_one_address_cannot_take_all_connections(plain, tmp_path, begun):
    greedy = [connected(plain) for _ in range(server.CONNECTIONS_LIMIT)]
    try:
        for stream in greedy:
            with contextlib.suppress(OSError):  # the server has closed it
                stream.sendall(begun)
        body = Submission.of(0, (), GrowingLog(tmp_path / "log").grow(3)).encode()
        request = post(str(len(body)), more="Connection: close\r\n") + body
        assert talk(plain, request, source="127.0.0.2").startswith(b"HTTP/1.1 200 ")
        assert received(greedy[server.CALLER_CONNECTIONS_LIMIT]) == b""
    finally:
        for stream in greedy:
            stream.close()


def test_a_connection_that_gets_no_thread_leaves_its_place(hasty, monkeypatch):
    def none(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        assert [talk(hasty) for _ in range(4)] == [b""] * 4
    assert talk(hasty, post("x")).startswith(b"HTTP/1.1 400 ")


def test_the_server_tells_nothing_about_its_software(plain):
    assert b"Python" not in talk(plain, post("x"))


@pytest.fixture
def authority(tmp_path):
    made = Authority(now=datetime.now(UTC))
    (tmp_path / "ca.pem").write_bytes(made.pem)
    return made


def identity(authority: Authority, tmp_path, name: str, usage) -> tuple:
    """Write certificate and key; return their files."""
    issued = authority.issue(x509.DNSName("localhost"), common_name=name, usage=(usage,))
    (tmp_path / f"{name}.pem").write_bytes(issued.pem)
    (tmp_path / f"{name}.key").write_bytes(issued.key_pem)
    return tmp_path / f"{name}.pem", tmp_path / f"{name}.key"


@pytest.fixture
def secured(cosigning, authority, tmp_path):
    certificate, key = identity(authority, tmp_path, "server", ExtendedKeyUsageOID.SERVER_AUTH)
    yield from serving(Server(cosigning, LOOPBACK, 0, tls.server(certificate, key, tmp_path / "ca.pem")))


def house_with(secured: Server, tmp_path):
    """A log whose policy names the witness by the name in its certificate."""
    log = GrowingLog(tmp_path / "audit", SIGNER)
    log.grow(3)
    key = str(Memory(tmp_path / "witness").cosigner.verifier)
    url = f"https://localhost:{secured.server_address[1]}"
    (tmp_path / "policy").write_text(policy_text([("w1", key, url)]))
    return log.directory, tmp_path / "policy"


@pytest.fixture
def client_options(authority, tmp_path):
    certificate, key = identity(authority, tmp_path, "client", ExtendedKeyUsageOID.CLIENT_AUTH)
    return ["--ca", str(tmp_path / "ca.pem"), "--certificate", str(certificate), "--certificate-key", str(key)]


def test_a_log_with_a_certificate_is_served_over_tls(secured, client_options, tmp_path):
    done = submit(*house_with(secured, tmp_path), *client_options)
    assert done.code == 0, done.err


@pytest.mark.parametrize("count", [0, 2], ids=["server not trusted", "no certificate"])
def test_without_trust_on_both_sides_there_is_no_cosignature(secured, client_options, tmp_path, count):
    done = submit(*house_with(secured, tmp_path), *client_options[:count])
    assert done.code == 1
    assert "cannot be asked" in done.err


def test_a_client_that_never_begins_tls_holds_up_nobody(secured, client_options, tmp_path):
    with socket.create_connection(secured.server_address, PATIENCE_SECONDS):
        done = submit(*house_with(secured, tmp_path), *client_options)
    assert done.code == 0, done.err


def test_old_versions_of_tls_are_refused(secured):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(secured.server_address, PATIENCE_SECONDS) as stream,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(stream)
