"""
A limit on the head of a request, which the engine's HTTP parser does not have, and its target as the client spelled it.

vLLM limits heads (`--h11-max-incomplete-event-size`, CVE-2025-48956), but only for the parser h11; uvicorn prefers httptools where it is
installed (`uvicorn/protocols/http/auto.py`), and that keeps all headers, and trailers behind a body, until they are complete. Nobody is
asked before: one client without any token filled the memory.

Of a target in absolute form (`GET http://host/v1/models`, RFC 9112, 3.2.2) or with a fragment that parser hands on the path alone, as if
nothing else had been there. The front door knows one spelling of every route, so it must see the whole.
"""

from uvicorn.protocols.http import auto, httptools_impl

LIMIT_BYTES = 65_536
"""As uvicorn allows with h11; nginx allows half of it."""


def as_spelled(target: bytes) -> bytes:
    """Return a target whose path is all that stood before the query; what is no plain path begins with a slash that makes it none."""
    path, mark, query = target.partition(b"?")
    if not path.startswith(b"/"):
        path = b"/" + path
    return path.replace(b"#", b"%23") + mark + query


class LimitedProtocol(httptools_impl.HttpToolsProtocol):
    """uvicorn's protocol over httptools, for clients that come to the point."""

    _idle_bytes = 0
    """Bytes since the parser last had a complete head, a part of a body, or the end of a message."""

    def data_received(self, data: bytes) -> None:
        """Take what a client sent (asyncio calls this)."""
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > LIMIT_BYTES and not self.transport.is_closing():
            self.send_400_response(f"Headers of more than {LIMIT_BYTES} bytes are not read.")

    def on_headers_complete(self) -> None:
        """Begin to answer (httptools calls this)."""
        self._idle_bytes = 0
        self.url = as_spelled(self.url)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body (httptools calls this)."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request (httptools calls this)."""
        self._idle_bytes = 0
        super().on_message_complete()


def limit() -> None:
    """Let every server of this process that has not begun yet use the limited protocol, unless it uses h11."""
    if auto.AutoHTTPProtocol is httptools_impl.HttpToolsProtocol:
        auto.AutoHTTPProtocol = LimitedProtocol
