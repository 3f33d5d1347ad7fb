"""
Where the front door answers, as one text: `http://127.0.0.1:8000`, or `unix:/path/of/front.sock` for a Unix socket.

Both forms become an httpx client that never uses a proxy from the environment for this host: the way to the front door carries a token.
"""

import ssl
from dataclasses import dataclass

import httpx

from deepseek_local.errors import ClientError

_UNIX = "unix:"
_HOST = "http://localhost"


@dataclass(frozen=True, slots=True)
class Address:
    """The base URL for HTTP, and the socket to reach it by, if any."""

    url: str
    """As users write it, and as it is shown to them."""
    base: str
    """What requests are sent to."""
    socket: str | None

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read one of the two forms; a trailing `/v1` of other clients' settings is accepted. Raises `ClientError`."""
        if url.startswith(_UNIX) and len(url) > len(_UNIX):
            return cls(url, _HOST, url.removeprefix(_UNIX).removeprefix("//"))
        base = url.rstrip("/").removesuffix("/v1").rstrip("/")
        if base.startswith(("http://", "https://")) and "@" not in base and _is_url(base):
            return cls(url, base, None)
        raise ClientError(f"{url!r} is not an address of the front door: write http://HOST:PORT or unix:/PATH")

    @property
    def _proxies_allowed(self) -> bool:
        return self.base.startswith("https://")

    def client(self, timeout: httpx.Timeout) -> httpx.Client:
        """Return a client for a command."""
        transport = httpx.HTTPTransport(uds=self.socket) if self.socket else None
        return httpx.Client(base_url=self.base, transport=transport, timeout=timeout, trust_env=self._proxies_allowed)

    def async_client(self, timeout: httpx.Timeout) -> httpx.AsyncClient:
        """Return a client for the supervisor; every request is a new connection, so that it may reach any API process."""
        # It stays on this host and never speaks TLS, so no certificates are loaded, which would cost 20 ms per probe.
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(verify=plain, limits=limits, uds=self.socket)
        return httpx.AsyncClient(base_url=self.base, transport=transport, timeout=timeout, trust_env=False)


def _is_url(text: str) -> bool:
    try:
        return bool(httpx.URL(text).host)
    except httpx.InvalidURL:
        return False
