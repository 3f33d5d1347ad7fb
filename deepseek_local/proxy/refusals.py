"""What nginx answers by itself, in the shape that OpenAI's clients understand: the front door's words where both refuse the same."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from deepseek_local.proxy import template


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer."""

    code: int
    """nginx's number for it; from 494 to 499 it has numbers of its own."""
    status: int
    """What the client gets."""
    reason: str
    """OpenAI's `code`."""
    kind: str
    """OpenAI's `type`."""
    message: str
    retry_after_seconds: int | None = None


_WRONG = "invalid_request_error"
_CLOSED = "service_unavailable"

REFUSALS = (
    Refusal(400, 400, "malformed", _WRONG, "This is no request of HTTP/1.1."),
    Refusal(403, 403, "forbidden", "permission_error", "This is not allowed here."),
    Refusal(404, 404, "no_route", "not_found_error", "There is no such route."),
    Refusal(405, 405, "method_not_allowed", _WRONG, "The route exists, but not for this method."),
    Refusal(408, 408, "too_slow", _WRONG, "The request took too long."),
    Refusal(413, 413, "too_large", _WRONG, "The request body is too large."),
    Refusal(414, 414, "uri_too_long", _WRONG, "The first line of the request is too long."),
    Refusal(421, 421, "misdirected", _WRONG, "This server does not answer for that name."),
    Refusal(
        429, 429, "rate_limited", "rate_limit_error", "Too many requests with this certificate; ask again soon.", 1
    ),
    Refusal(431, 431, "header_too_long", _WRONG, "A header of the request is too long."),
    Refusal(494, 431, "header_too_long", _WRONG, "The headers of the request are too long."),
    Refusal(
        495,
        400,
        "certificate_refused",
        "authentication_error",
        "The client certificate is not accepted: it is not of this site, not made for clients, not valid now, or revoked.",
    ),
    Refusal(496, 400, "no_certificate", "authentication_error", "A client certificate is needed, and none was shown."),
    Refusal(497, 400, "not_tls", _WRONG, "This port speaks HTTPS; write https:// before the address."),
    Refusal(500, 500, "failed", "server_error", "The proxy failed on this request."),
    Refusal(501, 501, "not_implemented", _WRONG, "The request uses what this server does not know."),
    Refusal(502, 502, "engine_unreachable", "server_error", "The engine does not answer; ask again soon.", 5),
    Refusal(503, 503, "unavailable", _CLOSED, "The service is not available now; ask again soon.", 5),
    Refusal(504, 504, "engine_timeout", "server_error", "The engine took too long."),
    Refusal(505, 505, "http_version", _WRONG, "This server speaks HTTP/1.1."),
)
"""Every answer that nginx can give with this configuration."""

_SILENT = frozenset((404, 405, 502, 504))
"""Those of which nginx's error log does not tell: `return` leaves no line, and of an unreachable replica nobody knows there what came of it.

The access log tells `audit ship-nginx` of them.
"""


def pages() -> Iterator[str]:
    """Yield the lines that lead to the answers."""
    for each in REFUSALS:
        changed = f" ={each.status}" if each.status != each.code else ""
        yield f"error_page {each.code}{changed} /.refused/{each.code};"


def blocks(access_logs: str, refusals: str) -> Iterator[str]:
    """Yield a location for every answer; `access_logs` are the lines that all requests have, `refusals` the socket of `audit ship-nginx`."""
    answer = "\n".join(line for line in template.fill("answer").split("\n") if not line.startswith("#"))
    for each in REFUSALS:
        logs = (
            f"{access_logs}\naccess_log syslog:server=unix:{refusals},nohostname refused;"
            if each.code in _SILENT
            else ""
        )
        yield _without_empty_lines(
            template.fill(
                "refusal",
                code=each.code,
                status=each.status,
                answer=template.indent(answer, 1),
                logs=template.indent(logs, 1),
                more=template.indent(_more(each), 1),
                body=_body(each),
            )
        )


def _more(refusal: Refusal) -> str:
    if refusal.code == 405:  # noqa: PLR2004 -- the number is the name
        return "add_header Allow $methods always;"
    if refusal.retry_after_seconds is not None:
        return f"add_header Retry-After {refusal.retry_after_seconds} always;"
    return ""


def _body(refusal: Refusal) -> str:
    said = {"message": refusal.message, "type": refusal.kind, "param": None, "code": refusal.reason}
    return json.dumps({"error": said}, separators=(",", ":"))


def _without_empty_lines(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if line)
