"""
A refusal as ASGI messages, in the shape that OpenAI's clients understand.

    {"error": {"message": "…", "type": "…", "param": null, "code": "…"}}

A WebSocket is refused before it is accepted: with the same answer where the server can give one (the extension
`websocket.http.response`), else by closing with 1008, which the client sees as 403.
"""

import msgspec

from deepseek_local.gateway.asgi import Message, Scope, Send
from deepseek_local.gateway.headers import REQUEST_ID, HeaderList
from deepseek_local.gateway.refusal import Refusal

POLICY_VIOLATION = 1008
"""Close code of RFC 6455, 7.4.1."""
EXTENSION = "websocket.http.response"


async def send_refusal(scope: Scope, send: Send, refusal: Refusal, request_id: str, *, close: bool) -> None:
    """Answer a request that the engine does not see; `close` ends the connection, for a body that was not read."""
    if scope["type"] == "http":
        await _send_http(send, "http.response", refusal, request_id, close=close)
    elif EXTENSION in scope.get("extensions", {}):
        await _send_http(send, EXTENSION, refusal, request_id, close=True)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.reason})


async def _send_http(send: Send, prefix: str, refusal: Refusal, request_id: str, *, close: bool) -> None:
    body = msgspec.json.encode(
        {"error": {"message": refusal.message, "type": refusal.kind, "param": refusal.param, "code": refusal.reason}}
    )
    headers = _headers(refusal, request_id, len(body))
    if close:
        headers.append((b"connection", b"close"))
    start: Message = {"type": f"{prefix}.start", "status": int(refusal.status), "headers": headers}
    await send(start)
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})


def _headers(refusal: Refusal, request_id: str, length: int) -> HeaderList:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % length),
        (REQUEST_ID, request_id.encode("ascii")),
    ]
    if refusal.status == 401:  # noqa: PLR2004  the number is the name
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % refusal.retry_after_seconds))
    return [*headers, *refusal.headers]
