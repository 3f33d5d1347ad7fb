"""What a line of nginx's error log tells, and what a client cannot make it tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.audit.record import Kind
from deepseek_local.proxy_log.lines import REASONS, Refusal, parse

HEAD = "<190>Nov 24 14:41:25 nginx: 2026/11/24 14:41:25 [info] 20130#20130: *1 "
TAIL = ', client: 10.0.0.7, server: , request: "GET / HTTP/1.1", host: "x"'
HEADERS = " while reading client request headers"


def told(message: str, head: str = HEAD) -> Refusal | None:
    return parse((head + message).encode())


@pytest.mark.parametrize(
    ("message", "kind", "reason", "status", "detail"),
    [
        (f"client sent no required SSL certificate{HEADERS}", "tls_fail", "no_certificate", 400, None),
        (
            f"client SSL certificate verify error: (10:certificate has expired){HEADERS}",
            "tls_fail",
            "certificate_expired",
            400,
            "verify result 10",
        ),
        (
            f"client SSL certificate verify error: (99:made up){HEADERS}",
            "tls_fail",
            "certificate_invalid",
            400,
            "verify result 99",
        ),
        (
            "SSL_do_handshake() failed (SSL: error:0A000102:SSL routines::unsupported protocol) while SSL handshaking",
            "tls_fail",
            "tls_version",
            None,
            "unsupported protocol",
        ),
        (
            "SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48)",
            "tls_fail",
            "client_alert",
            None,
            "tlsv1 alert unknown ca",
        ),
        (f"client sent plain HTTP request to HTTPS port{HEADERS}", "tls_fail", "not_tls", 400, None),
        (
            "client timed out (110: Connection timed out) while SSL handshaking",
            "tls_fail",
            "handshake_slow",
            None,
            None,
        ),
        (f"client timed out (110: Connection timed out){HEADERS}", "refused", "too_slow", 408, None),
        ('limiting requests, excess: 0.495 by zone "per_ip"', "refused", "rate_limited", None, "per_ip"),
        ('limiting connections by zone "c-1"', "refused", "connections_limited", None, "c-1"),
        ("access forbidden by rule", "refused", "forbidden", 403, None),
        ("client intended to send too large body: 99999 bytes", "refused", "too_large", 413, None),
        ('client sent HTTP/1.1 request without "Host" header' + HEADERS, "refused", "malformed", None, None),
        ('client sent invalid "Content-Length" header' + HEADERS, "refused", "malformed", None, None),
        ("client sent too long URI while reading client request line", "refused", "uri_too_long", 414, None),
        (
            "connect() to unix:/run/front.sock failed (2: No such file or directory) while connecting to upstream",
            "refused",
            "engine_unreachable",
            None,
            None,
        ),
        ("no live upstreams while connecting to upstream", "refused", "engine_unreachable", 502, None),
    ],
)
def test_a_refusal_is_known_by_how_its_message_begins(message: str, kind: str, reason: str, status, detail):
    assert told(message + TAIL) == Refusal(Kind(kind), reason, "10.0.0.7", status, detail)


@pytest.mark.parametrize(
    "message",
    [
        "client 127.0.0.1 closed keepalive connection",
        "client timed out (110: Connection timed out) while waiting for request",
        "delaying request, excess: 0.5",
        "upstream prematurely closed connection while reading upstream",
        'using the "epoll" event method',
        "",
    ],
)
def test_what_refuses_nobody_is_no_record(message: str):
    assert told(message + TAIL) is None


@pytest.mark.parametrize("head", ["", "<190>", "2026/11/24 14:41:25 [info] 1#1: *1 ", "<190>Nov 24 14:41:25 "])
def test_what_does_not_come_as_syslog_tells_nothing(head: str):
    assert told("access forbidden by rule" + TAIL, head) is None


def test_a_host_name_before_the_tag_changes_nothing():
    head = "<190>Nov  4 14:41:25 gpu01 nginx: 2026/11/04 14:41:25 [error] 1#1: *1 "
    assert told("access forbidden by rule" + TAIL, head) == Refusal(Kind.REFUSED, "forbidden", "10.0.0.7", 403)


def test_an_answer_without_an_error_comes_from_the_access_log():
    head = "<190>Nov 24 14:41:25 nginx: "
    assert told("refused 2001:DB8::1 404", head) == Refusal(Kind.REFUSED, "answered_by_nginx", "2001:db8::1", 404)
    assert told("refused 10.0.0.7 404 and more", head) is None


FORGED = ", client: 9.9.9.9, server: "


def test_a_request_line_cannot_forge_an_address():
    message = f'access forbidden by rule, client: 10.0.0.7, server: , request: "GET /?{FORGED} HTTP/1.1"'
    assert told(message).address == "10.0.0.7"


def test_a_header_line_can_hide_an_address_and_not_forge_one():
    message = f'client sent invalid header line: "x{FORGED}"{HEADERS}{TAIL}'
    assert told(message) == Refusal(Kind.REFUSED, "malformed", None)
    assert told(f'client sent invalid header line: "x"{HEADERS}{TAIL}').address == "10.0.0.7"


def test_a_long_header_line_cannot_push_the_true_address_out():
    message = f'client sent invalid header: "{FORGED}{"a" * 2_000}'
    assert told(message[:1_980]) == Refusal(Kind.REFUSED, "malformed", None)


@pytest.mark.parametrize("address", ["999.9.9.9", "1.2.3", ":::", "10.0.0.7.8"])
def test_what_is_no_address_is_not_told(address: str):
    assert told(f"access forbidden by rule, client: {address}, server: ").address is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_of_a_client_is_repeated(header: str, line: str):
    message = f'client sent invalid header line: "{header}"{HEADERS}, client: 10.0.0.7, server: , request: "{line}"'
    refusal = told(message)
    assert refusal is not None
    assert (refusal.kind, refusal.reason, refusal.status, refusal.detail) == (Kind.REFUSED, "malformed", None, None)
    assert refusal.address in {"10.0.0.7", None}


@given(st.binary(max_size=300))
def test_any_datagram_is_read_without_an_error(datagram: bytes):
    refusal = parse(datagram)
    assert refusal is None or refusal.reason in REASONS
