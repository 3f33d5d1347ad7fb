"""
What files mean, as of now: they are read again when they change, and while they cannot be used there is no meaning.

Remembering the last good content would be wrong for identities: what was revoked since then is unknown. So whoever asks is told, the log
says once what is the matter, and `tell` hears of every reading that changed something.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity.loads import Digesting, Load, ReadFile, Source, Tell, differences

_log = logging.getLogger(__name__)

Meaning = TypeVar("Meaning")

_CREDENTIALS = {
    Source.TOKENS: "tokens",
    Source.ISSUERS: "certificates",
    Source.DENY_LIST: "certificates",
    Source.KEY_SET: "JSON Web Tokens",
}


def nobody(_: Load) -> None:
    """Keep it to oneself."""


def _no_names(_: object) -> Mapping[str, object]:
    return {}


class Watched(Generic[Meaning]):
    """The result of `read`, renewed with its files. Raises `IdentityError` when they cannot be used at the start."""

    def __init__(
        self,
        source: Source,
        watch: Watch,
        read: Callable[[ReadFile], Meaning],
        tell: Tell = nobody,
        *,
        names: Callable[[Meaning], Mapping[str, object]] = _no_names,
    ) -> None:
        self._source = source
        self._watch = watch
        self._read = read
        self._tell = tell
        self._names = names
        # The stamps come first: what is written while we read is found at the next look.
        self._stamps = watch.stamps()
        self._failure: str | None = None
        self._meaning, self._digest = self._load()
        tell(Load(source, self._digest))

    def current(self) -> Meaning:
        """Return what the files mean now. Raises `IdentityError` while they cannot be used."""
        stamps = self._watch.stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
        if self._failure is not None:
            raise IdentityError(self._failure)
        return self._meaning

    def _load(self) -> tuple[Meaning, str | None]:
        files = Digesting()
        return self._read(files.read), files.digest

    def _reload(self) -> None:
        try:
            meaning, digest = self._load()
        except IdentityError as error:
            self._failure = str(error)
            _log.error("%s are refused with 503 until this is mended: %s", _CREDENTIALS[self._source], error)
            self._tell(Load(self._source, before=self._digest, reason=self._failure))
            return
        if digest != self._digest or self._failure is not None:
            changes = differences(self._names(self._meaning), self._names(meaning))
            self._tell(Load(self._source, digest, self._digest, changes=changes))
        self._meaning, self._digest, self._failure = meaning, digest, None
