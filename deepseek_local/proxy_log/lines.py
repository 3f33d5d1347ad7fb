"""
One datagram of nginx's error log: which refusal it tells of, if any, and of which client.

nginx sends its error log as syslog datagrams (RFC 3164; `ngx_syslog.c`), one message each; the messages that refuse a client are those of
nginx 1.22 to 1.28 (`ngx_http_request.c`, `ngx_event_openssl.c`, the limit and access modules). Clients write into these messages: the request
line always, a header line sometimes. So a reason is one of our own words, never a text of the message, and an address counts only where no
client can have written it.

What nginx answers without an error, such as `return 404`, has no line there. An access log with the format `refused $remote_addr $status`
to the same socket tells of it.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepseek_local.audit.record import Kind


@dataclass(frozen=True, slots=True)
class Refusal:
    """A client that nginx turned away; equal ones are counted together."""

    kind: Kind
    """`tls_fail` before any request, else `refused`."""
    reason: str
    address: str | None
    """None where the message does not say it beyond doubt."""
    status: int | None = None
    """Status of nginx's answer, where the message tells."""
    detail: str | None = None
    """What OpenSSL or the name of a limit's zone adds: letters, digits, blanks, dots, underscores and hyphens."""


_HEAD = re.compile(
    r"<\d{1,3}>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:\S{1,255} )?\S{1,32}: "
    r"(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?(?:\[(?:info|notice|warn|error|crit|alert|emerg)\] \d+#\d+: (?:\*\d+ )?)?"
)
_CLIENT = re.compile(r", client: ([0-9a-fA-F.:]{2,45}|unix:), server: ")
_REFUSED = re.compile(r"refused ([0-9a-fA-F.:]{2,45}|unix:) ([1-5]\d\d)\n?")
_VERIFY = re.compile(r"client SSL certificate verify error: \((\d{1,4}):")
_OPENSSL = re.compile(
    r"SSL_(?:do_handshake|read)\(\) failed \(SSL: error:[0-9A-Fa-f]{8}:[^:)]{0,64}:[^:)]{0,64}:([A-Za-z0-9 ._-]{1,64})"
)
_TIMED_OUT = re.compile(r"client timed out \([^)]{0,64}\) while (reading client|SSL handshaking)")
_ZONE = re.compile(r'limiting (?:requests|connections)[a-z0-9,.: ]* by zone "([A-Za-z0-9._-]{1,64})"')

CERTIFICATE_REASONS: Mapping[int, str] = {
    2: "unknown_issuer",
    3: "no_crl",
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    12: "crl_expired",
    18: "unknown_issuer",
    19: "unknown_issuer",
    20: "unknown_issuer",
    21: "unknown_issuer",
    23: "certificate_revoked",
    26: "certificate_purpose",
}
"""What OpenSSL's verification results mean here (`x509_vfy.h`); the others are `certificate_invalid`."""
_HANDSHAKES: Sequence[tuple[str, str]] = (
    ("unsupported protocol", "tls_version"),
    ("wrong version number", "not_tls"),
    ("http request", "not_tls"),
    ("no shared cipher", "no_common_cipher"),
    ("no suitable key share", "no_common_cipher"),
    ("tlsv1 alert", "client_alert"),
    ("sslv3 alert", "client_alert"),
)
_TLS_MESSAGES: Sequence[tuple[str, str, int | None]] = (
    ("client sent no required SSL certificate", "no_certificate", 400),
    ("client sent plain HTTP request to HTTPS port", "not_tls", 400),
    ("peer closed connection in SSL handshake", "handshake_closed", None),
    ("client closed connection while SSL handshaking", "handshake_closed", None),
)
_MESSAGES: Sequence[tuple[str, str, int | None]] = (
    ("limiting requests", "rate_limited", None),
    ("limiting connections", "connections_limited", None),
    ("access forbidden by rule", "forbidden", 403),
    ("client intended to send too large", "too_large", 413),
    ("client sent too long URI", "uri_too_long", 414),
    ("client sent too long header line", "header_too_long", 400),
    ("client sent too large request", "header_too_long", 400),
    ("client sent", "malformed", None),
    # Whether the client was refused is not said: another replica may have answered.
    ("connect() to", "engine_unreachable", None),
    ("no live upstreams", "engine_unreachable", 502),
)
"""How a message begins, our word for it, and the status that follows; the first that fits counts."""
_SLOW: Mapping[str, str] = {"reading client": "too_slow", "SSL handshaking": "handshake_slow"}
"""What was too slow; a client that nginx stops waiting for between two requests is not turned away."""
_CUT_BYTES = 1_900
"""What is longer may have been cut by nginx, which keeps 2,047 bytes of a message with its head."""
ACCESS_REASON = "answered_by_nginx"
REASONS = frozenset(
    {*CERTIFICATE_REASONS.values(), "certificate_invalid", "handshake", ACCESS_REASON, *_SLOW.values()}
    | {reason for _, reason in _HANDSHAKES}
    | {reason for _, reason, _ in (*_TLS_MESSAGES, *_MESSAGES)}
)
"""All reasons."""
_OWN_QUOTES = re.compile(
    rf'\A(?:client sent (?:HTTP/1.[01] request without "Host"|invalid "Content-Length") header|{_ZONE.pattern})'
)
"""Beginnings with quotation marks that enclose no text of a client."""


def parse(datagram: bytes) -> Refusal | None:
    """Read one datagram; None for what tells of no refusal."""
    # Latin-1 keeps one character for each byte; whatever a client wrote is only looked at.
    text = datagram.decode("latin-1")
    head = _HEAD.match(text)
    if head is None:
        return None
    message = text[head.end() :]
    if line := _REFUSED.fullmatch(message):
        return Refusal(Kind.REFUSED, ACCESS_REASON, _checked(line[1]), int(line[2]))
    return _tls(message) or _slow(message) or _listed(Kind.REFUSED, _MESSAGES, message)


def _tls(message: str) -> Refusal | None:
    if found := _VERIFY.match(message):
        code = int(found[1])
        reason = CERTIFICATE_REASONS.get(code, "certificate_invalid")
        return Refusal(Kind.TLS_FAIL, reason, _client(message), 400, f"verify result {code}")
    if found := _OPENSSL.match(message):
        detail = found[1]
        reason = next((word for words, word in _HANDSHAKES if words in detail), "handshake")
        return Refusal(Kind.TLS_FAIL, reason, _client(message), None, detail)
    return _listed(Kind.TLS_FAIL, _TLS_MESSAGES, message)


def _slow(message: str) -> Refusal | None:
    found = _TIMED_OUT.match(message)
    if found is None:
        return None
    kind, status = (Kind.REFUSED, 408) if found[1] == "reading client" else (Kind.TLS_FAIL, None)
    return Refusal(kind, _SLOW[found[1]], _client(message), status)


def _listed(kind: Kind, messages: Sequence[tuple[str, str, int | None]], message: str) -> Refusal | None:
    for beginning, reason, status in messages:
        if message.startswith(beginning):
            zone = _ZONE.match(message)
            return Refusal(kind, reason, _client(message), status, zone[1] if zone else None)
    return None


def _client(message: str) -> str | None:
    """
    Return the address of the client, where it is certain.

    nginx writes it before the request line, so the first place that looks like one is the right one, unless the message quotes a client
    before that: then a client may have written it, and all places must agree, in a message that is not cut.
    """
    places = list(_CLIENT.finditer(message))
    if not places:
        return None
    before = _OWN_QUOTES.sub("", message[: places[0].start()], count=1)
    if '"' not in before:
        return _checked(places[0][1])
    addresses = {place[1] for place in places} if len(message) < _CUT_BYTES else set()
    return _checked(addresses.pop()) if len(addresses) == 1 else None


def _checked(address: str) -> str | None:
    if address == "unix:":
        return "unix"
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None
