"""
The `Authorization` header to the text of a token (RFC 6750, 2.1).

Exactly one header with exactly one well-formed value counts. Two headers are no identity: which of them a proxy looked at is unknown.
"""

from collections.abc import Iterable

MAXIMUM_BYTES = 8_192 + len("Bearer ")
"""Longer values are not looked at; a JSON Web Token is what takes the room."""


def token_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the token that the request carries, or None. Header names must be in lower case, as ASGI delivers them."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1 or len(values[0]) > MAXIMUM_BYTES:
        return None
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer" or not token.isascii():
        return None
    return token.decode("ascii")
