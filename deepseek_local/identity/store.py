"""
The token store: one JSON file, mode 0600, that holds keyed hashes and never a token; `entry` says how it is written.

It is replaced as a whole, under a lock file beside it, so that two programs that create tokens at the same time lose neither. Revoked
tokens stay in the file: who had which token, and until when, is part of the story that the audit log tells.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from deepseek_local.access import CANARY, PRINCIPAL, TENANT
from deepseek_local.errors import IdentityError
from deepseek_local.files import is_private, lock, read_regular, write_atomic
from deepseek_local.identity import entry, keys, tokens
from deepseek_local.identity.entry import Token
from deepseek_local.identity.loads import ReadFile

MAXIMUM_BYTES = 16_777_216
"""About 90,000 tokens; more would hold up the front door, which reads the store between two requests."""


def read(path: Path, read_file: ReadFile = read_regular) -> tuple[Token, ...]:
    """Return all tokens; none where there is no file. Raises `IdentityError` if the file is open to others or cannot be understood."""
    try:
        content = read_file(path, MAXIMUM_BYTES + 1)
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
    return entry.parse(str(path), content)


def create(
    path: Path,
    key_file: Path,
    principal: str,
    now: datetime,
    expires: datetime | None = None,
    *,
    roles: Sequence[str] = (),
    tenant: str | None = None,
) -> tuple[Token, str]:
    """
    Add a token for the principal and return its entry and the token, which is known nowhere else. Raises `IdentityError`.

    With `roles`, it carries at most these; that its owner has them, the caller has found out.
    """
    _check_owner(principal)
    if tenant is not None and not TENANT.fullmatch(tenant):
        raise IdentityError(f"{tenant!r} is no tenant; write a lower-case letter, then letters, digits, `_` or `-`")
    model = Token(
        kid="",
        principal=principal,
        hash="",
        created=now,
        expires=expires,
        roles=tuple(sorted(set(roles))) or None,
        tenant=tenant,
    )
    key = keys.ensure(key_file)
    with _locked(path):
        known = read(path)
        token, text = _minted(known, key, model)
        _write(path, (*known, token))
    return token, text


def rotate(
    path: Path, key_file: Path, kid: str, now: datetime, *, overlap: timedelta, expires: datetime | None = None
) -> tuple[Token, Token, str]:
    """
    Replace a token by one with the same rights; the old one ends after `overlap`, or when it would have ended, if that is earlier.

    The new one is valid until `expires`; without it, for as long as the old one was made for. Returns old entry, new entry, new token.
    Raises `IdentityError`, also for a token that is no longer valid.
    """
    with _locked(path):
        known = read(path)
        old = _find(path, known, kid)
        if (state := old.state(now)) != "valid":
            raise IdentityError(f"token {kid} is {state}, so it has no rights to pass on; create a new token")
        if expires is None and old.expires is not None:
            expires = now + (old.expires - old.created)
        new, text = _minted(known, keys.read(key_file), msgspec.structs.replace(old, created=now, expires=expires))
        ending = msgspec.structs.replace(old, expires=min(now + overlap, old.expires or now + overlap))
        _write(path, [*(ending if token.kid == kid else token for token in known), new])
    return ending, new, text


def revoke(path: Path, kid: str, now: datetime) -> Token:
    """Make a token useless and return its entry; one that is revoked already stays as it is. Raises `IdentityError`."""
    with _locked(path):
        known = read(path)
        token = _find(path, known, kid)
        if token.revoked is None:
            revoked = msgspec.structs.replace(token, revoked=now)
            _write(path, [revoked if token.kid == kid else token for token in known])
            return revoked
        return token


def _check_owner(principal: str) -> None:
    if not PRINCIPAL.fullmatch(principal):
        raise IdentityError(
            f"{principal!r} is no principal; write u:NAME for a person or s:NAME for a service, in lower case"
        )
    if principal == CANARY:
        raise IdentityError(
            f"{CANARY} is who asks the golden question, with a token of its own for every start; name another principal"
        )


def _minted(known: Sequence[Token], key: bytes, model: Token) -> tuple[Token, str]:
    """Return an entry like `model` with an identifier that no other has and the hash of its token, and the token."""
    kid, text = tokens.mint()
    while any(token.kid == kid for token in known):
        kid, text = tokens.mint()
    return msgspec.structs.replace(model, kid=kid, hash=tokens.keyed_hash(key, text)), text


def _find(path: Path, known: Sequence[Token], kid: str) -> Token:
    token = next((token for token in known if token.kid == kid), None)
    if token is None:
        raise IdentityError(
            f"the token store {path} has no token {kid!r}; `deepseek-local token list` shows the identifiers"
        )
    return token


def _write(path: Path, all_tokens: Sequence[Token]) -> None:
    content = entry.render(all_tokens)
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
    try:
        descriptor = lock(path)
    except OSError as error:
        raise IdentityError(
            f"the lock of the token store {path} cannot be opened ({error.strerror}); check the directory"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
