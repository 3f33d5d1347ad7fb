"""A request while it is being mutated: begun as a good one of a random route, ended as bytes that no HTTP library would send."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from deepseek_local.policy import routes
from tests.support.route_requests import content_of, path_of

_FAVOURITES = tuple(
    route for route in routes.CATALOGUE if route.access.resource.startswith("inference_") and content_of(route)
)
"""Routes with a body to mutate; half of all requests begin there."""


@dataclass
class Draft:
    """A request while it is being mutated."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    document: dict[str, object] | None
    version: str = "HTTP/1.1"
    framing: str | None = None
    """Headers that say where the body ends; None for its true length."""
    tail: bytes = b""
    """What follows the head instead of the body, when the framing is mutated."""
    kept: float = 1.0
    """How much of it is sent."""
    is_broken: bool = False
    """Whether nobody can say where it ends."""
    mutations: list[str] = field(default_factory=list)


def good(random: Random, tokens: Sequence[str | None]) -> Draft:
    """Return a request that a client with the right would send, speaking for one of `tokens`."""
    route = random.choice(_FAVOURITES if random.random() < 0.5 else routes.CATALOGUE)
    headers = [("host", "localhost")]
    token = random.choice(tokens)
    if token is not None:
        headers.append(("authorization", f"Bearer {token}"))
    content = content_of(route)
    document = None
    if content is not None:
        headers.append(("content-type", content[0]))
        document = json.loads(content[1]) if content[0] == "application/json" else None
    method = "GET" if route.method == routes.WEBSOCKET else route.method
    return Draft(method, path_of(route), headers, content[1] if content else b"", document)


def as_bytes(draft: Draft) -> bytes:
    """Return what goes over the wire."""
    head = f"{draft.method} {draft.target} {draft.version}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in draft.headers
    )
    if draft.framing is None:
        framing = f"content-length: {len(draft.body)}\r\n" if draft.body or draft.method == "POST" else ""
        return (head + framing + "\r\n").encode("latin-1") + draft.body
    return (head + draft.framing + "\r\n").encode("latin-1") + draft.tail
