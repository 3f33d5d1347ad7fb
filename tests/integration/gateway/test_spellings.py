"""A second spelling of a route, another method, another protocol: nothing reaches the engine that the catalogue does not name exactly."""

import socket

import pytest

from tests.integration.gateway.conftest import Door, wait_until
from tests.integration.gateway.spellings import TARGETS

pytestmark = pytest.mark.integration

UPGRADE = (
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def request(door: Door, line: bytes, headers: bytes = b"", host: bytes = b"host: a\r\n") -> bytes:
    """Return a request of an admin, who may do everything that exists."""
    return line + b" HTTP/1.1\r\n" + host + b"authorization: Bearer " + door.root.encode() + b"\r\n" + headers + b"\r\n"


def refused_with(door: Door, sent: bytes) -> int:
    """Send bytes; return the status of the answer, when the engine has seen nothing and the refusal is recorded."""
    before = len(door.engine.seen)
    answer = door.raw(sent)
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert len(door.engine.seen) == before
    request_id = header(answer, b"x-request-id")
    status = int(answer[9:12])
    if request_id is not None:
        (record,) = door.sequencer.records_of(request_id)
        assert (record["kind"], record["dec"], record["status"]) == ("decision", "deny", status)
    else:
        # What is no HTTP is refused by the server, and never was a request.
        assert answer.startswith(b"HTTP/1.1 400 ")
    return status


def header(answer: bytes, name: bytes) -> str | None:
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = [line.partition(b":") for line in lines]
    return next((value.strip().decode() for key, _, value in pairs if key.lower() == name), None)


@pytest.mark.parametrize("target", TARGETS)
def test_another_spelling_is_another_route_even_for_an_admin(door: Door, target: bytes):
    assert refused_with(door, request(door, b"GET " + target)) in {400, 404}


@pytest.mark.parametrize(
    "target",
    [
        b"/invocations",
        b"//invocations",
        b"/invocations?x",
        b"/adapters",
        b"/abort_requests",
        b"/inference/v1/generate",
        b"/v1/chat/completions/render",
        b"/v1/chat/completions/",
        b"/v1/chat/completions;x",
        b"/v1/chat%2fcompletions",
        b"/v1/engines/stub/completions",
        b"/collective_rpc",
        b"/sleep",
    ],
)
def test_an_alias_is_no_way_in_even_for_an_admin(door: Door, target: bytes):
    body = b'{"model":"stub","messages":[]}'
    sent = (
        request(door, b"POST " + target, b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)) + body
    )
    assert refused_with(door, sent) == 404


@pytest.mark.parametrize(
    "method",
    [
        b"OPTIONS",
        b"HEAD",
        b"TRACE",
        b"PUT",
        b"PATCH",
        b"DELETE",
        b"PROPFIND",
        b"get",
        b"Get",
        b"BREW",
        b"GETX",
        b"WEBSOCKET",
    ],
)
@pytest.mark.parametrize("path", [b"/health", b"/v1/models", b"/v1/realtime", b"/metrics"])
def test_methods_that_the_catalogue_does_not_name_do_not_exist(door: Door, method: bytes, path: bytes):
    sent = request(door, method + b" " + path, b"access-control-request-method: POST\r\norigin: http://a\r\n")
    with door.connect() as stream:
        stream.sendall(sent)
        head = stream.recv(65_536)
    assert head[:12] in {b"HTTP/1.1 404", b"HTTP/1.1 400"}


@pytest.mark.parametrize("target", [b"a:80", b"127.0.0.1:8000", b"/v1/models"])
def test_nobody_is_connected_to_anything(door: Door, target: bytes):
    before = len(door.engine.seen)
    with door.connect() as stream:
        stream.sendall(request(door, b"CONNECT " + target))
        head = stream.recv(65_536)
    assert head[:12] in {b"HTTP/1.1 404", b"HTTP/1.1 400"}
    assert len(door.engine.seen) == before


@pytest.mark.parametrize(
    "path", [b"/v1/models", b"/health", b"/v1/chat/completions", b"/v1/realtime/", b"//v1/realtime"]
)
def test_an_http_route_is_no_websocket(door: Door, path: bytes):
    assert refused_with(door, request(door, b"GET " + path, UPGRADE)) == 404


def test_a_websocket_route_is_no_http_route(door: Door):
    assert refused_with(door, request(door, b"GET /v1/realtime")) == 404
    assert refused_with(door, request(door, b"POST /v1/realtime", b"content-length: 0\r\n")) == 404


@pytest.mark.parametrize(
    "headers",
    [
        b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        b"connection: upgrade\r\nupgrade: TLS/1.0\r\n",
        b"connection: upgrade\r\nupgrade: websocket\r\n",
        b"upgrade: websocket\r\n",
        b"x-http-method-override: POST\r\n",
        b"x-original-url: /v1/models\r\nx-rewrite-url: /v1/models\r\nx-forwarded-prefix: /v1\r\n",
    ],
    ids=lambda headers: headers.split(b"\r\n")[0].decode(),
)
def test_a_header_does_not_change_what_is_asked_for(door: Door, headers: bytes):
    assert refused_with(door, request(door, b"GET /nowhere", headers)) in {400, 404}


@pytest.mark.parametrize(
    "host",
    [b"a/x?", b"a", b"/health", b"a/health?", b"x:1/../health#", b"a@b", b"[::1]", b"", b"a\\health", b"%2fhealth"],
)
@pytest.mark.parametrize("target", [b"/v1/models", b"/nowhere"])
def test_the_host_header_decides_nothing(door: Door, host: bytes, target: bytes):
    sent = b"GET " + target + b" HTTP/1.1\r\nhost: " + host + b"\r\n\r\n"
    assert refused_with(door, sent) in {400, 401 if target == b"/v1/models" else 404}


@pytest.mark.parametrize(
    "hosts", [b"", b"host: a\r\nhost: b\r\n", b"host: a\r\nHost: a/health?\r\n"], ids=["none", "two", "two alike"]
)
def test_missing_and_repeated_hosts_decide_nothing(door: Door, hosts: bytes):
    assert refused_with(door, request(door, b"GET /nowhere", host=hosts)) in {400, 404}


def test_the_query_decides_nothing(door: Door):
    assert door.ask(door.ann, "GET", "/v1/models?x=/health").status_code == 200
    for target in (b"/v1/models?/health", b"/v1/models?", b"/v1/models??", b"/v1/models?%2e%2e/health"):
        assert refused_with(door, b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n") == 401
    for target in (b"?/health", b"/?/v1/models", b"/nowhere?/v1/models", b"/health/?"):
        assert refused_with(door, request(door, b"GET " + target)) in {400, 404}


def test_what_is_no_http_is_no_request(door: Door):
    before = len(door.engine.seen)
    for sent in (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/models\r\n\r\n",
        b"GET  /v1/models HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/models HTTP/1.1\r\nhost : a\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n host: a\r\n\r\n",
    ):
        with door.connect() as stream:
            stream.sendall(sent)
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(65_536)[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 404"}, sent
    assert len(door.engine.seen) == before


def test_a_request_hidden_behind_a_body_is_not_a_second_one(door: Door):
    """Length and chunks that contradict each other are refused (RFC 9112, 6.3), so that no proxy in front reads another border."""
    inner = b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer " + door.root.encode() + b"\r\n\r\n"
    before, records = len(door.engine.seen), len(door.sequencer.records())
    for headers in (
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"transfer-encoding: x, chunked, x\r\n",
    ):
        with door.connect() as stream:
            stream.sendall(request(door, b"POST /nowhere", headers) + b"0\r\n\r\n" + inner)
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(65_536):
                pass
    wait_until(lambda: len(door.sequencer.records()) >= records, "the log can be read")
    assert [seen.path for seen in door.engine.seen[before:]] == []
