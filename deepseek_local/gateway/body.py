"""
The request body: read whole and within limits before anything is decided, then handed to the engine as it came.

The engine gets the very bytes that were parsed and digested here, as one message; afterwards it hears of nothing but the end of the
connection, which makes it abort the generation.
"""

import asyncio
from http import HTTPStatus

from deepseek_local.gateway.asgi import Message, Receive
from deepseek_local.gateway.headers import Headers, is_encoded
from deepseek_local.gateway.refusal import DISCONNECTED, TOO_LARGE, TOO_SLOW, Refusal, RefusedError
from deepseek_local.profile.front_door import Limits

DISCARDABLE_BYTES = 65_536
"""A refused body that is not longer is let in and thrown away by the server."""

ENCODED = Refusal(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "encoded",
    "invalid_request_error",
    "The request body must be sent as it is, without Content-Encoding.",
)


def is_long(headers: Headers) -> bool:
    """
    Whether more of a body follows than is worth throwing away, or nobody knows how much (RFC 9112, 6.3).

    Closing the connection on a body that is still on its way makes the client's kernel drop our answer (RFC 9112, 9.6), so it is left to
    those that would cost more to take in.
    """
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and _length(value) > DISCARDABLE_BYTES)
        for name, value in headers
    )


async def read(receive: Receive, headers: Headers, limits: Limits) -> bytes:
    """Return the whole body. Raises `RefusedError` when it is encoded, too large, too slow, or the client leaves."""
    for name, value in headers:
        if name == b"content-encoding" and is_encoded(value):
            raise RefusedError(ENCODED)
        if name == b"content-length" and _length(value) > limits.body_bytes:
            raise RefusedError(_too_large(limits))
    try:
        async with asyncio.timeout(limits.body_timeout_seconds):
            return await _collect(receive, limits)
    except TimeoutError as error:
        raise RefusedError(TOO_SLOW.because(f"more than {limits.body_timeout_seconds:g} s")) from error


async def _collect(receive: Receive, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(DISCONNECTED)
        part = message.get("body", b"")
        size += len(part)
        if size > limits.body_bytes:
            raise RefusedError(_too_large(limits))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _length(announced: bytes) -> int:
    # Servers let only digits through; more of them than fit into 64 bits is as large as can be.
    return int(announced[:20]) if announced.isdigit() else 0


def _too_large(limits: Limits) -> Refusal:
    return TOO_LARGE.because(f"at most {limits.body_bytes} bytes are read")


class Replay:
    """A `receive` for the engine: the body once, then only the news that the client left, which is also noted in `is_over`."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self.is_over = False

    async def __call__(self) -> Message:
        """Return the next message for the engine."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while True:
            message = await self._receive()
            # What else comes belongs to a body that this route does not take.
            if message["type"] == "http.disconnect":
                self.is_over = True
                return message
