"""
What the proxy in front of us says about a client: believed on the Unix socket only, and only with the proxy's key.

    X-DS-Proxy        the key in hexadecimal, constant, so that another user of the socket cannot speak for the proxy
    X-DS-Client-IP    nginx's $remote_addr
    X-DS-Client-Cert  nginx's $ssl_client_escaped_cert; absent where the client showed none

nginx overwrites all three in every request. Each counts only where it stands exactly once: of two values, nobody knows which one the proxy
wrote. Whether a connection came over the Unix socket is read from the server's end of it: uvicorn gives that as (path, None), and, unlike
the client's end, no `X-Forwarded-For` can change it (`uvicorn/protocols/utils.py`, `uvicorn/middleware/proxy_headers.py`).
"""

import hmac
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

import msgspec

PROXY = b"x-ds-proxy"
ADDRESS = b"x-ds-client-ip"
CERTIFICATE = b"x-ds-client-cert"

UNIX = "unix"
"""The address of who is on this host and came over the Unix socket."""
_ADDRESS_BYTES = 45
"""The longest IPv6 address in text."""


class Origin(msgspec.Struct, frozen=True):
    """Where a request comes from."""

    address: str
    """IP address of the client in its shortest form, or `UNIX`."""
    certificates: tuple[bytes, ...]
    """All values of the certificate's header, believed or not."""
    is_vouched: bool
    """Whether the proxy has proved that the headers are its own."""


class Proxy:
    """Knows the proxy by its key; without a key, no proxy is believed."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key.hex().encode("ascii") if key else None

    def origin(self, scope: Mapping[str, Any]) -> Origin:
        """Say where a request comes from."""
        keys, addresses, certificates = _values(scope["headers"])
        is_vouched = is_unix(scope) and self._is_key(keys)
        address = _canonical(addresses[0]) if is_vouched and len(addresses) == 1 else None
        return Origin(address or _peer(scope), tuple(certificates), is_vouched)

    def _is_key(self, values: list[bytes]) -> bool:
        return self._key is not None and len(values) == 1 and hmac.compare_digest(values[0], self._key)


def _values(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    keys: list[bytes] = []
    addresses: list[bytes] = []
    certificates: list[bytes] = []
    for name, value in headers:
        if name == PROXY:
            keys.append(value)
        elif name == ADDRESS:
            addresses.append(value)
        elif name == CERTIFICATE:
            certificates.append(value)
    return keys, addresses, certificates


def is_unix(scope: Mapping[str, Any]) -> bool:
    """Whether a request came over the Unix socket, as all of a proxy do."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _peer(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return UNIX if is_unix(scope) or not client else str(client[0])


@lru_cache(maxsize=1_024)
def _canonical(said: bytes) -> str | None:
    """Return the address in its shortest form; an IPv4 address stays one where the proxy listens on IPv6 for both."""
    if len(said) > _ADDRESS_BYTES or b"%" in said:
        return None
    try:
        address = ip_address(said.decode("ascii"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
