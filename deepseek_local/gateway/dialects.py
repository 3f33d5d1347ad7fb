"""
What the routes of the engine understand of the same things: who takes a cache salt, tells usage in a stream, and how an answer is bounded.

Read from the request models of vLLM 0.26 to 0.33. A salt that a model does not know does no harm there and isolates nothing, as noted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LENGTHS: Final = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})
"""Every name under which some route takes the length of an answer."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One route's ways."""

    salted_since: str | None = None
    """First version of vLLM whose request model has `cache_salt`; None for a route that has no prefix to share."""
    tells_usage: bool = False
    """Whether a stream tells its usage only when `stream_options.include_usage` asks for it."""
    lengths: tuple[str, ...] = ()
    """The fields that bound the length of an answer, the engine's favourite first; it ignores the others, so they are refused."""
    default_length: int | None = None
    """Tokens of an answer when the request has no such field; None for as many as the model has room for."""
    has_answer: bool = True
    """Whether `lengths` bounds an answer, and not a prompt."""


PLAIN = Dialect()
_CHAT = ("max_completion_tokens", "max_tokens")
_POOLING = Dialect(salted_since="0.26")

ROUTES: Mapping[str, Dialect] = {
    "/v1/chat/completions": Dialect("0.26", tells_usage=True, lengths=_CHAT),
    "/v1/chat/completions/batch": Dialect("0.26", lengths=_CHAT),
    "/v1/completions": Dialect("0.26", tells_usage=True, lengths=("max_tokens",), default_length=16),
    "/v1/responses": Dialect("0.26", lengths=("max_output_tokens",)),
    "/v1/messages": Dialect("0.27", lengths=("max_tokens",)),
    "/generative_scoring": Dialect("0.32"),
    "/v1/systemone": Dialect("0.32"),
    "/v1/decisions": Dialect("0.33"),
    "/v1/embeddings": _POOLING,
    "/v2/embed": Dialect(lengths=("max_tokens",), has_answer=False),
    "/pooling": _POOLING,
    "/classify": _POOLING,
    "/score": _POOLING,
    "/v1/score": _POOLING,
    "/rerank": _POOLING,
    "/v1/rerank": _POOLING,
    "/v2/rerank": _POOLING,
}
"""By the path of the catalogue; every other route is plain."""


def of(route: str) -> Dialect:
    """Return the ways of a route."""
    return ROUTES.get(route, PLAIN)
