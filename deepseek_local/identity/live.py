"""
The tokens in force: the store is looked at while requests come in, so that a new or revoked token counts within half a second.

While the store cannot be used, nobody is known but the holders of this start's own tokens (the canary, the local user): what was
revoked since the last good look is unknown, so remembering the old store would keep revoked tokens alive.

A token is looked up by its identifier and its keyed hash together. Nobody who asks can choose a hash, so the time that it takes tells
nothing about which identifiers exist.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from deepseek_local.access import CANARY, Principal
from deepseek_local.files import Watch
from deepseek_local.identity import store, tokens
from deepseek_local.identity.entry import Token
from deepseek_local.identity.loads import ReadFile, Source, Tell
from deepseek_local.identity.use import TokenUse
from deepseek_local.identity.watched import Watched, nobody


class _Holder(msgspec.Struct, frozen=True):
    """A token of the store and who holds it."""

    token: Token
    principal: Principal


class LiveTokens:
    """Who holds which token, now. Raises `IdentityError` when the store cannot be used at the start."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        internal: Mapping[str, str],
        watch: Watch | None = None,
        *,
        use: TokenUse | None = None,
        tell: Tell = nobody,
    ) -> None:
        self._key = key
        self._internal = {stored: principal for principal, stored in internal.items()}
        self._use = use
        self._store = Watched(
            Source.TOKENS, watch or Watch([path]), lambda read_file: _holders(path, read_file), tell, names=_tokens
        )

    def identify(self, text: str, now: datetime) -> Principal | None:
        """Return who holds this token, or None for one that nobody holds. Raises `IdentityError` while the store cannot be used."""
        kid, computed = tokens.kid_of(text), tokens.keyed_hash(self._key, text)
        internal = self._internal.get(computed)
        if internal is not None:
            return Principal(internal, "canary" if internal == CANARY else "token", kid)
        holder = self._store.current().get((kid, computed))
        if holder is None or holder.token.state(now) != "valid":
            return None
        if self._use is not None:
            self._use.note(holder.token.kid, now)
        return holder.principal


def _holders(path: Path, read_file: ReadFile) -> dict[tuple[str, str], _Holder]:
    """Return the holders by identifiers and keyed hashes of their tokens. Raises `IdentityError`."""
    return {(token.kid, token.hash): _Holder(token, _principal(token)) for token in store.read(path, read_file)}


def _tokens(holders: Mapping[tuple[str, str], _Holder]) -> dict[str, object]:
    return {kid: holder.token for (kid, _), holder in holders.items()}


def _principal(token: Token) -> Principal:
    roles = None if token.roles is None else frozenset(token.roles)
    return Principal(token.principal, "token", token.kid, token.tenant, roles)
