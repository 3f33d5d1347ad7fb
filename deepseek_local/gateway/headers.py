"""
Headers between client and engine: what a client may not say to the engine, and the request id on both sides.

vLLM takes `X-Request-Id` as the id of the request, `X-Vllm-Priority` over the body's priority, and routes by the rank and session headers
(`vllm/entrypoints/serve/engine/serving.py`, `generate/base/serving.py`). `X-DS-*` is what a proxy in front of us will say about a client.
The credential ends here: the engine needs none, and what it does not have it cannot log.
"""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]
HeaderList = list[tuple[bytes, bytes]]

REQUEST_ID = b"x-request-id"

_STRIPPED = frozenset(
    (
        b"authorization",
        REQUEST_ID,
        b"x-vllm-priority",
        b"x-data-parallel-rank",
        b"x-session-id",
        b"endpoint-load-metrics-format",
    )
)
_STRIPPED_PREFIXES = (b"x-amzn-sagemaker-", b"x-ds-")


def towards_engine(headers: Headers, request_id: bytes) -> HeaderList:
    """Return the request's headers without what only we may say, and with our id. Names are in lower case, as ASGI delivers them."""
    kept = [header for header in headers if header[0] not in _STRIPPED and not header[0].startswith(_STRIPPED_PREFIXES)]
    kept.append((REQUEST_ID, request_id))
    return kept


def towards_client(headers: Headers, request_id: bytes) -> HeaderList:
    """Return the answer's headers with our id, whatever the engine says about it."""
    kept = [header for header in headers if header[0].lower() != REQUEST_ID]
    kept.append((REQUEST_ID, request_id))
    return kept
