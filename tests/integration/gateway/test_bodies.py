"""What the front door makes of request bodies: it reads within limits, parses strictly, and hands on the very bytes."""

import select
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.gateway.conftest import BODY_BYTES, Door, wait_until

pytestmark = pytest.mark.integration

MEBIBYTE = 1 << 20


def head(door: Door, *lines: str) -> bytes:
    start = (
        "POST /v1/chat/completions HTTP/1.1",
        "host: a",
        f"authorization: Bearer {door.olga}",
        "content-type: application/json",
    )
    return ("\r\n".join((*start, *lines)) + "\r\n\r\n").encode()


def json_of(size: int) -> bytes:
    frame = b'{"user":"%b"}'
    return frame % (b"a" * (size - len(frame) + 2))


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


def test_a_body_of_the_limit_passes_and_one_byte_more_does_not(door: Door):
    assert door.ask(door.olga, content=json_of(BODY_BYTES)).status_code == 200
    response = door.ask(door.olga, content=json_of(BODY_BYTES + 1))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert door.decision(response)["reason"] == "too_large"


def test_a_body_in_chunks_without_length_is_handed_on_whole(door: Door):
    body = json_of(BODY_BYTES)
    response = door.ask(door.olga, content=pieces(body))
    assert response.status_code == 200
    assert door.sent_to_engine(response) == body


def test_chunks_beyond_the_limit_are_refused(door: Door):
    assert door.ask(door.olga, content=pieces(json_of(BODY_BYTES + 1))).status_code == 413


def test_an_ordinary_client_is_told_that_64_mebibytes_are_too_many(door: Door):
    assert door.ask(door.olga, content=b"x" * 64 * MEBIBYTE).status_code == 413


@pytest.mark.parametrize("framing", ["content-length: 67108864", "transfer-encoding: chunked"])
def test_64_mebibytes_are_refused_without_reading_them(door: Door, framing: str):
    part = b"x" * 65_536
    chunk = b"%x\r\n%b\r\n" % (len(part), part) if "chunked" in framing else part
    sent = 0
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as stream:
        stream.sendall(head(door, framing))
        while sent < 64 * MEBIBYTE and not select.select([stream], [], [], 0)[0]:
            try:
                sent += stream.send(chunk)
            except ConnectionError:
                break
        answer = stream.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    # What was sent beyond the limit lies in the buffers of both kernels.
    assert sent < 32 * MEBIBYTE


def test_a_client_that_asks_first_is_not_told_to_send_a_body_that_is_too_large(door: Door):
    answer = door.raw(head(door, "content-length: 67108864", "expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_given_up(door: Door):
    answer = door.raw(head(door, "content-length: 10") + b'{"x":')
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_trickles_is_given_up(door: Door):
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as stream:
        stream.sendall(head(door, "content-length: 10000") + b'{"x":"')
        while not select.select([stream], [], [], 0.05)[0]:
            stream.sendall(b"a")
        assert stream.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_within_its_body_is_recorded(door: Door):
    before = len(door.sequencer.records())
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as stream:
        stream.sendall(head(door, "content-length: 10") + b'{"x":')
        time.sleep(0.05)  # the body must be half read, which no one outside can see
    wait_until(lambda: len(door.sequencer.records()) > before, "the decision is recorded")
    decisions = [record for record in door.sequencer.records()[before:] if record["kind"] == "decision"]
    assert [record["reason"] for record in decisions] == ["disconnected"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{} x",
        b"{}{}",
        b'{"x":1,}',
        b'{"x":NaN}',
        b'{"x":-Infinity}',
        b'{"x":1e999}',
        b'{"x":01}',
        b"{'x':1}",
        b'{"x":"\\ud800"}',
        b'{"x":"\xff"}',
        b'{"x":"\xed\xa0\x80"}',
        b'{"x":"\n"}',
        b'\xef\xbb\xbf{"x":1}',
        '{"x":1}'.encode("utf-16"),
        '{"x":1}'.encode("utf-32"),
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"model":1}',
        b'{"n":"1"}',
        b'{"n":1.5}',
        b'{"n":true}',
        b'{"stream":"yes"}',
        b'{"max_tokens":[]}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_one_json_object_in_utf8_is_refused(door: Door, body: bytes):
    before = len(door.engine.seen)
    response = door.ask(door.olga, content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed")
    assert door.decision(response)["reason"] == "malformed"
    assert len(door.engine.seen) == before


def test_the_refusal_of_a_body_does_not_repeat_it(door: Door):
    response = door.ask(door.olga, content=b'{"model": ["secret-words"]}')
    assert "secret-words" not in response.text
    assert "$.model" in response.text


def test_a_form_is_handed_on_as_it_is(door: Door):
    response = door.ask(door.root, path="/v1/audio/transcriptions", content=b"--x\r\n\xff\x00\r\n--x--")
    assert response.status_code == 200
    assert door.seen(response).body == b"--x\r\n\xff\x00\r\n--x--"


def test_a_route_without_a_body_gets_none(door: Door):
    response = door.ask(door.ann, "GET", "/v1/models", content=b'{"x":1}')
    assert response.status_code == 200
    assert door.seen(response).body == b""


def test_a_second_request_on_the_same_connection_is_its_own(door: Door):
    with httpx.Client(
        base_url=f"http://127.0.0.1:{door.port}", headers={"authorization": f"Bearer {door.olga}"}
    ) as client:
        answers = [client.post("/v1/chat/completions", json={"user": str(number)}) for number in range(3)]
    assert [door.sent_to_engine(answer) for answer in answers] == [b'{"user":"0"}', b'{"user":"1"}', b'{"user":"2"}']
