"""
The tokens in force: the store is looked at while requests come in, so that a new or revoked token counts within half a second.

While the store cannot be used, nobody is known but the holders of this start's own tokens (the canary, the local user): what was
revoked since the last good look is unknown, so remembering the old store would keep revoked tokens alive.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from deepseek_local.access import CANARY, Principal
from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity import store, tokens

_log = logging.getLogger(__name__)


class LiveTokens:
    """Who holds which token, now. Raises `IdentityError` when the store cannot be used at the start."""

    def __init__(self, path: Path, key: bytes, internal: Mapping[str, str], watch: Watch | None = None) -> None:
        self._path = path
        self._key = key
        self._internal = tuple(internal.items())
        self._watch = watch or Watch([path])
        self._stamps = self._watch.stamps()
        self._failure: str | None = None
        self._tokens = {token.kid: token for token in store.read(path)}

    def identify(self, text: str, now: datetime) -> Principal | None:
        """Return who holds this token, or None for one that nobody holds. Raises `IdentityError` while the store cannot be used."""
        kid = tokens.parse(text)
        if kid is None:
            return None
        computed = tokens.keyed_hash(self._key, text)
        for principal, stored in self._internal:
            if tokens.same(stored, computed):
                return Principal(principal, "canary" if principal == CANARY else "token", kid)
        token = self._current().get(kid)
        # The comparison comes first and always, so that time tells nothing about which identifiers exist.
        if (
            not tokens.same(token.hash if token else tokens.NOBODY, computed)
            or token is None
            or token.state(now) != "valid"
        ):
            return None
        return Principal(token.principal, "token", kid)

    def _current(self) -> Mapping[str, store.Token]:
        stamps = self._watch.stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
        if self._failure is not None:
            raise IdentityError(self._failure)
        return self._tokens

    def _reload(self) -> None:
        try:
            self._tokens = {token.kid: token for token in store.read(self._path)}
            self._failure = None
        except IdentityError as error:
            self._failure = str(error)
            _log.error("tokens are refused with 503 until this is mended: %s", error)
