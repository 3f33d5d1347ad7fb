"""
One line of the token store, and the store as text.

    {"version": 1, "tokens": [
    {"kid": "0a1b2c3d4e5f", "principal": "u:alice", "hash": "hmac-sha256:…", "created": "2026-11-24T07:00:00Z", "roles": ["operator"]},
    …
    ]}
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec

from deepseek_local.access import PRINCIPAL, ROLE, TENANT
from deepseek_local.errors import IdentityError

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Role = Annotated[str, msgspec.Meta(pattern=rf"^{ROLE.pattern}\Z")]
Tenant = Annotated[str, msgspec.Meta(pattern=rf"^{TENANT.pattern}\Z")]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is known about one token; not the token."""

    # Lengths where a malformed text equals no token's anyway: patterns are most of the time that reading takes.
    kid: Annotated[str, msgspec.Meta(min_length=12, max_length=12)]
    principal: Annotated[str, msgspec.Meta(pattern=rf"^{PRINCIPAL.pattern}\Z")]
    hash: Annotated[str, msgspec.Meta(min_length=76, max_length=76)]
    created: Moment
    expires: Moment | None = None
    revoked: Moment | None = None
    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)] | None = None
    """The only roles that it carries; None for all of its owner's."""
    tenant: Tenant | None = None
    """The tenant for which it speaks."""

    def state(self, now: datetime) -> str:
        """Return `revoked`, `expired` or `valid`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "valid"


class _Store(msgspec.Struct, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    tokens: tuple[Token, ...]


def parse(file: str, content: bytes) -> tuple[Token, ...]:
    """Read the store. Raises `IdentityError` with the place where it cannot be understood."""
    try:
        store = msgspec.json.decode(content, type=_Store)
    except (ValueError, RecursionError) as error:
        _explain_syntax(file, content)
        raise IdentityError(f"{file}: the token store cannot be understood ({error}); restore it") from error
    seen: set[str] = set()
    for token in store.tokens:
        if token.kid in seen:
            raise IdentityError(f"{file}: the token store has two tokens {token.kid}; remove one")
        seen.add(token.kid)
    return store.tokens


def render(all_tokens: Iterable[Token]) -> bytes:
    """Write the store, one token a line, so that a reader and a `diff` see what changed."""
    lines = b",\n".join(msgspec.json.encode(token) for token in all_tokens)
    return b'{"version": 1, "tokens": [\n' + lines + b"\n]}\n"


def _explain_syntax(file: str, content: bytes) -> None:
    """Raise `IdentityError` with line and column where the text is no JSON; the fast parser knows only a byte position."""
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        raise IdentityError(
            f"{file}:{error.lineno}:{error.colno}: the token store is no JSON ({error.msg}); restore it"
        ) from error
    except (ValueError, RecursionError):
        return
