"""What is known about one request; every check on its way adds what it found out."""

import msgspec

from deepseek_local.access import Access, Attribute, Principal, Verdict
from deepseek_local.gateway.asgi import Scope
from deepseek_local.gateway.documents import Document
from deepseek_local.gateway.metering import Charge
from deepseek_local.gateway.request_id import mint
from deepseek_local.gateway.rewrite import Prepared
from deepseek_local.policy import routes


class Request(msgspec.Struct):
    """One request, from its head to the decision about it."""

    id: str
    peer: str
    method: str
    path: str
    access: Access | None
    """What the route means; None where there is no such route."""
    principal: Principal | None = None
    claims: dict[str, Attribute] = {}
    """What the client says about its purpose and its data."""
    body: bytes | None = None
    document: Document | None = None
    verdict: Verdict | None = None
    charge: Charge | None = None
    """What its quotas were charged."""
    prepared: Prepared | None = None
    """What the engine gets, when the request may pass."""

    def release(self) -> Prepared:
        """Give what the engine gets away, and hold no text any more: a request lives as long as its answer."""
        prepared, self.prepared, self.body, self.document = self.prepared, None, None, None
        if prepared is None:
            raise RuntimeError("a request that nobody prepared cannot be passed on")
        return prepared


def request_of(scope: Scope) -> Request:
    """Begin with what the scope says, which is trusted for the method, the path and the peer only."""
    method = scope["method"] if scope["type"] == "http" else routes.WEBSOCKET
    client = scope.get("client")
    # A method is the client's word; only the server says that a request is a WebSocket.
    is_posing = scope["type"] == "http" and method == routes.WEBSOCKET
    access = routes.match(method, scope["path"]) if _is_literal(scope) and not is_posing else None
    return Request(mint(), client[0] if client else "unix", method, scope["path"], access)


def _is_literal(scope: Scope) -> bool:
    """Whether the client spelled the path as the engine will read it: no percent-encoding, no prefix to be taken off."""
    raw_path = scope.get("raw_path")
    path: str = scope["path"]
    return not scope.get("root_path") and path.isascii() and (raw_path is None or raw_path == path.encode("ascii"))
