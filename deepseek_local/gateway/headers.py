"""
Headers between client and engine: what a client may not say to the engine, and the request id on both sides.

vLLM takes `X-Request-Id` as the id of the request, `X-Vllm-Priority` over the body's priority, and routes by the rank and session headers
(`vllm/entrypoints/serve/engine/serving.py`, `generate/base/serving.py`). `X-DS-*` is what a proxy in front of us will say about a client.
`X-Amzn-SageMaker-*` chooses adapters and sessions (`model_hosting_container_standards`, which vLLM wraps around its application). The
credential ends here: the engine needs none, and what it does not have it cannot log.
"""

from collections.abc import Iterable, Sequence

Headers = Iterable[tuple[bytes, bytes]]
HeaderList = list[tuple[bytes, bytes]]
HeaderPairs = Sequence[tuple[bytes, bytes]]

REQUEST_ID = b"x-request-id"

_OURS = frozenset(
    (
        b"authorization",
        b"proxy-authorization",
        b"x-api-key",
        b"cookie",
        REQUEST_ID,
        b"x-vllm-priority",
        b"x-data-parallel-rank",
        b"x-session-id",
        b"endpoint-load-metrics-format",
    )
)
"""Credentials, and what routes or names a request inside the engine."""
_OF_THE_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
"""What client and server agree on between themselves (RFC 9110, 7.6.1 and 10.1.1); the body is whole now."""
_STRIPPED = _OURS | _OF_THE_CONNECTION
_STRIPPED_WITH_BODY = _STRIPPED | {b"content-length"}
_STRIPPED_PREFIXES = (b"x-amzn-sagemaker-", b"x-ds-")


def towards_engine(headers: Headers, request_id: bytes, body_bytes: int | None = None) -> HeaderList:
    """
    Return the request's headers without what only we may say, and with our id. Names are in lower case, as ASGI delivers them.

    `body_bytes` is the length of the body that the engine gets, where it gets one from us.
    """
    stripped = _STRIPPED if body_bytes is None else _STRIPPED_WITH_BODY
    kept = [header for header in headers if header[0] not in stripped and not header[0].startswith(_STRIPPED_PREFIXES)]
    kept.append((REQUEST_ID, request_id))
    if body_bytes is not None:
        kept.append((b"content-length", b"%d" % body_bytes))
    return kept


def is_encoded(content_encoding: bytes) -> bool:
    """Whether this value of Content-Encoding says that the body is not as it is meant (RFC 9110, 8.4); vLLM decodes no request body."""
    return content_encoding.strip().lower() not in {b"", b"identity"}


def is_event_stream(headers: Headers) -> bool:
    """Whether an answer is a stream of events."""
    return any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def towards_client(headers: Headers, request_id: bytes) -> HeaderList:
    """Return the answer's headers with our id, whatever the engine says about it."""
    kept = [header for header in headers if header[0].lower() != REQUEST_ID]
    kept.append((REQUEST_ID, request_id))
    return kept
