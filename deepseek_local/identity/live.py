"""
The tokens in force: the store is looked at while requests come in, so that a new or revoked token counts within half a second.

While the store cannot be used, nobody is known but the holders of this start's own tokens (the canary, the local user): what was
revoked since the last good look is unknown, so remembering the old store would keep revoked tokens alive.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from deepseek_local.access import CANARY, Principal
from deepseek_local.files import Watch
from deepseek_local.identity import store, tokens
from deepseek_local.identity.use import TokenUse
from deepseek_local.identity.watched import Watched


class LiveTokens:
    """Who holds which token, now. Raises `IdentityError` when the store cannot be used at the start."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        internal: Mapping[str, str],
        watch: Watch | None = None,
        use: TokenUse | None = None,
    ) -> None:
        self._key = key
        self._internal = tuple(internal.items())
        self._use = use
        self._store = Watched(
            "tokens", watch or Watch([path]), lambda: {token.kid: token for token in store.read(path)}
        )

    def identify(self, text: str, now: datetime) -> Principal | None:
        """Return who holds this token, or None for one that nobody holds. Raises `IdentityError` while the store cannot be used."""
        kid = tokens.parse(text)
        if kid is None:
            return None
        computed = tokens.keyed_hash(self._key, text)
        for principal, stored in self._internal:
            if tokens.same(stored, computed):
                return Principal(principal, "canary" if principal == CANARY else "token", kid)
        token = self._store.current().get(kid)
        # The comparison comes first and always, so that time tells nothing about which identifiers exist.
        if (
            not tokens.same(token.hash if token else tokens.NOBODY, computed)
            or token is None
            or token.state(now) != "valid"
        ):
            return None
        if self._use is not None:
            self._use.note(kid, now)
        roles = None if token.roles is None else frozenset(token.roles)
        return Principal(token.principal, "token", kid, token.tenant, roles)
