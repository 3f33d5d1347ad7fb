"""Every way in which the front door refuses a request: status, reason for the record, and words for the client."""

from dataclasses import dataclass, replace
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer that is not the engine's."""

    status: int
    reason: str
    """What the audit record says; the client reads it as `code`."""
    kind: str
    """OpenAI's `type`."""
    message: str
    retry_after_seconds: int | None = None
    param: str | None = None
    """The field of the body that is refused, OpenAI's `param`."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Further headers of the answer."""
    detail: str | None = None
    """What the audit record says beside the reason: nothing of what the client sent."""

    def because(self, detail: str, param: str | None = None) -> "Refusal":
        """Return the refusal with a detail in its message; it must not contain what the client sent."""
        return replace(self, message=f"{self.message} ({detail})", param=param)


class RefusedError(Exception):
    """Ends the way of a request through the checks; carries the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


NO_ROUTE = Refusal(HTTPStatus.NOT_FOUND, "no_route", "not_found_error", "There is no such route.")
UNAUTHENTICATED = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "unauthenticated",
    "authentication_error",
    "Who asks is not proved: send one header `Authorization: Bearer …` with a valid token, or a client certificate.",
)
FORBIDDEN = Refusal(HTTPStatus.FORBIDDEN, "forbidden", "permission_error", "The policy does not allow this.")
TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "invalid_request_error", "The request body is too large."
)
TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "invalid_request_error", "The request body took too long.")
MALFORMED = Refusal(
    HTTPStatus.BAD_REQUEST,
    "malformed",
    "invalid_request_error",
    "The request body must be one JSON object in UTF-8, with fields of the right types.",
)
DISCONNECTED = Refusal(499, "disconnected", "invalid_request_error", "The client left before its request was complete.")
DRAINING = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "draining", "service_unavailable", "The service is stopping; ask again soon.", 10
)
NO_IDENTITIES = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "no_identities",
    "service_unavailable",
    "Credentials cannot be checked now; ask again soon.",
    5,
)
NO_RECORD = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "no_record",
    "service_unavailable",
    "The request cannot be recorded now; ask again soon.",
    5,
)
FAILED = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", "server_error", "The engine failed on this request.")
