"""
The token store: one JSON file, mode 0600, that holds keyed hashes and never a token.

    {"version": 1, "tokens": [
    {"kid": "0a1b2c3d4e5f", "principal": "u:alice", "hash": "hmac-sha256:…", "created": "2026-11-24T07:00:00Z"},
    …
    ]}

It is replaced as a whole, under a lock file beside it, so that two programs that create tokens at the same time lose neither. Revoked
tokens stay in the file: who had which token, and until when, is part of the story that the audit log tells.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from deepseek_local.access import CANARY, PRINCIPAL
from deepseek_local.errors import IdentityError
from deepseek_local.files import is_private, read_regular, write_atomic
from deepseek_local.identity import keys, tokens

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

MAXIMUM_BYTES = 16_777_216
"""About 90,000 tokens; more would hold up the front door, which reads the store between two requests."""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is known about one token; not the token."""

    kid: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}\Z")]
    principal: Annotated[str, msgspec.Meta(pattern=rf"^{PRINCIPAL.pattern}\Z")]
    hash: Annotated[str, msgspec.Meta(pattern=r"^hmac-sha256:[0-9a-f]{64}\Z")]
    created: Moment
    expires: Moment | None = None
    revoked: Moment | None = None

    def state(self, now: datetime) -> str:
        """Return `revoked`, `expired` or `valid`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "valid"


class _Store(msgspec.Struct, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    tokens: tuple[Token, ...]


def read(path: Path) -> tuple[Token, ...]:
    """Return all tokens; none where there is no file. Raises `IdentityError` if the file is open to others or cannot be understood."""
    try:
        content = read_regular(path, MAXIMUM_BYTES + 1)
        private = is_private(path)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise IdentityError(
            f"the token store {path} cannot be read ({error.strerror}); check its type, owner and mode"
        ) from error
    if not private:
        raise IdentityError(f"the token store {path} can be read or written by others; run: chmod 600 {path}")
    if len(content) > MAXIMUM_BYTES:
        raise IdentityError(f"the token store {path} has more than {MAXIMUM_BYTES} bytes; restore it")
    return _parse(path, content)


def create(
    path: Path, key_file: Path, principal: str, now: datetime, expires: datetime | None = None
) -> tuple[Token, str]:
    """Add a token for the principal and return its entry and the token, which is known nowhere else. Raises `IdentityError`."""
    if not PRINCIPAL.fullmatch(principal):
        raise IdentityError(
            f"{principal!r} is no principal; write u:NAME for a person or s:NAME for a service, in lower case"
        )
    if principal == CANARY:
        raise IdentityError(
            f"{CANARY} is who asks the golden question, with a token of its own for every start; name another principal"
        )
    key = keys.ensure(key_file)
    with _locked(path):
        known = read(path)
        kid, text = tokens.mint()
        while any(token.kid == kid for token in known):
            kid, text = tokens.mint()
        token = Token(kid=kid, principal=principal, hash=tokens.keyed_hash(key, text), created=now, expires=expires)
        _write(path, (*known, token))
    return token, text


def revoke(path: Path, kid: str, now: datetime) -> Token:
    """Make a token useless and return its entry; one that is revoked already stays as it is. Raises `IdentityError`."""
    with _locked(path):
        known = read(path)
        token = next((token for token in known if token.kid == kid), None)
        if token is None:
            raise IdentityError(
                f"the token store {path} has no token {kid!r}; `deepseek-local token list` shows the identifiers"
            )
        if token.revoked is None:
            revoked = msgspec.structs.replace(token, revoked=now)
            _write(path, [revoked if token.kid == kid else token for token in known])
            return revoked
        return token


def _parse(path: Path, content: bytes) -> tuple[Token, ...]:
    try:
        store = msgspec.convert(json.loads(content), _Store)
    except json.JSONDecodeError as error:
        raise IdentityError(
            f"{path}:{error.lineno}:{error.colno}: the token store is no JSON ({error.msg}); restore it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise IdentityError(f"{path}: the token store cannot be understood ({error}); restore it") from error
    kids = [token.kid for token in store.tokens]
    twice = next((kid for kid in kids if kids.count(kid) > 1), None) if len(set(kids)) < len(kids) else None
    if twice is not None:
        raise IdentityError(f"{path}: the token store has two tokens {twice}; remove one")
    return store.tokens


def _write(path: Path, all_tokens: Sequence[Token]) -> None:
    # One token a line, so that a reader and a `diff` see what changed.
    lines = b",\n".join(msgspec.json.encode(token) for token in all_tokens)
    content = b'{"version": 1, "tokens": [\n' + lines + b"\n]}\n"
    if len(content) > MAXIMUM_BYTES:
        raise IdentityError(
            f"the token store {path} is full with {len(all_tokens)} tokens; move it aside and create those still needed again"
        )
    try:
        # Changed by root, it must stay readable for the service's user, or everybody is refused.
        write_atomic(path, content, keep_owner=True)
    except OSError as error:
        raise IdentityError(
            f"the token store {path} cannot be written ({error.strerror}); nothing was changed"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f".{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise IdentityError(
            f"the lock {lock} of the token store cannot be opened ({error.strerror}); check the directory"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
