"""Which requests pass the rendered nginx, with which headers, and in which words it refuses the others (threats 5 to 7 and 12)."""

import json
import socket
from contextlib import ExitStack

import pytest
from fronted_site import FrontedSite, read
from quick_engine import QuickEngine
from waiting import wait_until

from deepseek_local.access import Risk
from deepseek_local.policy.routes import CATALOGUE, WEBSOCKET

pytestmark = pytest.mark.integration


def request(target: str = "/v1/models", method: str = "GET", *headers: str, host: str = "x") -> bytes:
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def test_exactly_the_routes_of_the_catalogue_pass(site: FrontedSite, engine: QuickEngine):
    statuses = {}
    for route in CATALOGUE:
        if route.method == WEBSOCKET:
            continue
        path = route.access.route.replace("{id}", "resp_1").replace("{name}", "one")
        answer = site.ask(
            site.alice, request(path, route.method, *(("Content-Length: 0",) if route.method == "POST" else ()))
        )
        statuses[route.method, path] = (answer.status, route.access.risk)
    served = {key for key, (status, _) in statuses.items() if status == 200}
    assert served == {key for key, (_, risk) in statuses.items() if risk is not Risk.NEVER}
    # Its path is one that a response could have, which is read with GET.
    others = {key: status for key, (status, _) in statuses.items() if status not in {200, 404}}
    assert others == {("POST", "/v1/responses/render"): 405}
    assert {asked.path for asked in engine.asked} == {path for _, path in served}


OTHER_SPELLINGS = (
    "//v1/models", "/v1//models", "/%76%31/models", "/v1/%6dodels", "/v1/./models", "/x/../v1/models", "/v1/models/", "/V1/models",
    "/v1/models;x", "/v1/models%00", "/v1/models%0a", "/v1/models#x", "/v1/models%3F", "https://x/v1/models", "http://127.0.0.1/v1/models",
    "/v1/models?a=b#c", "/", "/v1", "/.refused/404", "/v1/responses/a%0ab", "/v1/responses/..", "/v1/responses/a/b", "/v1/responses/",
)  # fmt: skip


@pytest.mark.parametrize("target", OTHER_SPELLINGS)
def test_another_spelling_is_another_route(site: FrontedSite, engine: QuickEngine, target: str):
    answer = site.ask(site.alice, request(target))
    assert (answer.status, answer.code) in {(404, "no_route"), (400, "malformed")}
    assert not engine.asked


@pytest.mark.parametrize("host", ["a/x?", "a b", "a/../x", "", "a@b/"])
def test_a_host_that_is_none_is_refused_or_never_seen(site: FrontedSite, engine: QuickEngine, host: str):
    answer = site.ask(site.alice, request("/openapi.json", host=host))
    assert answer.code in {"malformed", "no_route"}
    answer = site.ask(site.alice, request(host=host))
    assert answer.status == 400 or [asked.values("host") for asked in engine.asked] == [[b"front-door"]]


def test_two_hosts_and_http_of_the_last_century_are_refused(site: FrontedSite, engine: QuickEngine):
    assert site.ask(site.alice, request("/v1/models", "GET", "Host: y")).status == 400
    with site.connected(site.alice) as stream:
        stream.sendall(b"GET /v1/models\r\n")
        assert b"no_route" in stream.recv(4096)
    assert not engine.asked


@pytest.mark.parametrize("spelling", ["X-DS-{}", "x-ds-{}", "X_DS_{}", "X-DS_{}", "X-Ds-{} "])
def test_a_client_cannot_say_who_it_is(site: FrontedSite, engine: QuickEngine, spelling: str):
    said = {"Proxy": "00", "Client-IP": "9.9.9.9", "Client-Cert": "forged"}
    lines = [f"{spelling.format(name)}: {value}" for name, value in said.items()]
    lines += ["X-Forwarded-For: 9.9.9.9", "Forwarded: for=9.9.9.9", "X-Real-IP: 9.9.9.9", "Connection: X-DS-Proxy"]
    answer = site.ask(site.alice, request("/v1/models", "GET", *lines))
    if answer.status == 400:  # a space before the colon, or two `Connection`
        assert not engine.asked
        return
    (asked,) = engine.asked
    assert asked.values("x-ds-client-ip") == [b"127.0.0.1"]
    assert len(asked.values("x-ds-proxy")) == len(asked.values("x-ds-client-cert")) == 1
    seen = b"\n".join(value for _, value in asked.headers)
    assert b"9.9.9.9" not in seen
    assert b"forged" not in seen


def test_the_host_that_the_front_door_sees_is_always_the_same(site: FrontedSite, engine: QuickEngine):
    assert site.ask(site.alice, request(host="evil.example:1")).status == 200
    (asked,) = engine.asked
    assert asked.values("host") == [b"front-door"]


def test_a_query_passes_and_is_in_no_log(site: FrontedSite, engine: QuickEngine):
    assert site.ask(site.alice, request("/v1/models?beta=true&token=SECRETWORD")).status == 200
    assert site.ask(site.alice, request("/nothing?token=SECRETWORD")).status == 404
    assert engine.asked[0].query == b"beta=true&token=SECRETWORD"
    logs = b"".join(path.read_bytes() for path in (site.place / "logs").iterdir())
    assert b"/nothing" in logs
    assert b"SECRETWORD" not in logs


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"NONSENSE\r\n\r\n", 400, "malformed"),
        (request("/v1/models", "DELETE"), 405, "method_not_allowed"),
        (request("/v1/models", "OPTIONS"), 405, "method_not_allowed"),
        (request("/v1/models", "HEAD").replace(b"HEAD", b"PUT"), 405, "method_not_allowed"),
        (request("/v1/chat/completions", "POST", "Content-Length: 4194305"), 413, "too_large"),
        (request("/v1/models?" + "x" * 9_000), 414, "uri_too_long"),
        (request("/v1/models", "GET", "A: " + "x" * 9_000), 431, "header_too_long"),
        (request("/v1/models", "GET", *("A: b",) * 10_000), 431, "header_too_long"),
        (request("/v1/models", "GET", "Transfer-Encoding: gzip"), 501, "not_implemented"),
        (request().replace(b"HTTP/1.1", b"HTTP/3.0"), 505, "http_version"),
    ],
)  # fmt: skip
def test_nginx_refuses_in_the_shape_that_clients_of_openai_read(
    site: FrontedSite, engine: QuickEngine, sent: bytes, status: int, code: str
):
    answer = site.ask(site.alice, sent)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 32
    assert json.loads(answer.body)["error"].keys() == {"message", "type", "param", "code"}
    assert not engine.asked


@pytest.mark.usefixtures("engine")
def test_a_wrong_method_is_told_the_right_ones(site: FrontedSite):
    assert site.ask(site.alice, request("/ping", "PATCH")).headers["allow"] == "get, post"
    assert site.ask(site.alice, request("/v1/responses/a", "PATCH")).headers["allow"] == "get"


def test_plain_http_is_answered_with_a_hint(site: FrontedSite):
    with socket.create_connection(("127.0.0.1", site.port)) as stream:
        stream.sendall(request())
        answer = read(stream)
    assert (answer.status, answer.code) == (400, "not_tls")


def test_ten_megabytes_of_headers_are_not_read(site: FrontedSite, engine: QuickEngine):
    with site.connected(site.alice) as stream:
        try:
            stream.sendall(request("/v1/models", "GET", "A: " + "x" * 10_000_000))
        except OSError:
            return
        assert read(stream).code == "header_too_long"
    assert not engine.asked


def test_a_body_of_the_greatest_size_passes_and_touches_no_disk(site: FrontedSite, engine: QuickEngine):
    body = b"x" * 4_194_304
    head = request("/v1/completions", "POST", f"Content-Length: {len(body)}")
    assert site.ask(site.alice, head + body).status == 200
    chunked = request("/v1/completions", "POST", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (
        len(body),
        body,
    )
    assert site.ask(site.alice, chunked).status == 200
    assert [len(asked.body) for asked in engine.asked] == [len(body)] * 2
    assert not [path for path in (site.place / "temporary").rglob("*") if path.is_file()]


def test_a_longer_body_without_a_length_is_cut(site: FrontedSite, engine: QuickEngine):
    head = request("/v1/completions", "POST", "Transfer-Encoding: chunked")
    with site.connected(site.alice) as stream:
        try:
            stream.sendall(head + b"400001\r\n" + b"x" * 0x400001 + b"\r\n0\r\n\r\n")
        except OSError:
            return
        assert read(stream).code == "too_large"
    assert not [asked for asked in engine.asked if len(asked.body) > 4_194_304]


def test_a_body_reaches_the_front_door_while_it_is_still_being_sent(site: FrontedSite, engine: QuickEngine):
    """So the front door's limit of the time that all of it takes holds for slow clients."""
    with site.connected(site.alice) as stream:
        stream.sendall(request("/v1/completions", "POST", "Content-Length: 100") + b"x")
        wait_until(engine.early.is_set)


def test_the_engine_cannot_steer_nginx(site: FrontedSite, engine: QuickEngine):
    answer = site.ask(site.alice, request("/health?steer"))
    assert (answer.status, answer.headers["x-engine"]) == (200, "one")
    assert [asked.path for asked in engine.asked] == ["/health"]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("target", ['/v1/m\xff"\\odels', "/v1/models?\xff\xfe", '/"},{"x":"', "/v1/\x7f\x01models"])
@pytest.mark.usefixtures("engine")
def test_no_client_breaks_a_line_of_the_log(site: FrontedSite, target: str):
    before = len(site.logged())
    assert site.ask(site.alice, request(target)).status in {400, 404}
    wait_until(lambda: len(site.logged()) == before + 1)
    assert set(site.logged()[-1]["path"]) <= {chr(code) for code in range(0x21, 0x7F)}


@pytest.mark.usefixtures("engine")
def test_every_request_has_its_line_with_the_serial_number(site: FrontedSite):
    bob = site.client("u:bob")
    site.ask(bob)
    refused = site.ask(bob, request("/nothing"))
    serial = f"{bob.certificate.serial_number:x}"
    wait_until(lambda: len([line for line in site.logged() if line["serial"].lower() == serial]) == 2)
    first, second = (line for line in site.logged() if line["serial"].lower() == serial)
    assert (first["path"], first["status"], first["replica_status"], first["verify"]) == (
        "/v1/models",
        200,
        "200",
        "SUCCESS",
    )
    assert (second["path"], second["status"], second["request"]) == ("/nothing", 404, refused.headers["x-request-id"])
    assert second in site.logged("error")
    assert first not in site.logged("error")


@pytest.mark.usefixtures("engine")
def test_clients_that_never_finish_a_head_are_given_up_and_hold_up_nobody(site: FrontedSite):
    with ExitStack() as stack:
        slow = [stack.enter_context(site.connected(site.alice)) for _ in range(50)]
        for each in slow:
            each.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nA: ")
        assert site.ask(site.alice).status == 200
        assert {each.recv(1) for each in slow} == {b""}
