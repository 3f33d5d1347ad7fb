"""
What files mean, as of now: they are read again when they change, and while they cannot be used there is no meaning.

Remembering the last good content would be wrong for identities: what was revoked since then is unknown. So whoever asks is told, and the
log says once what is the matter.
"""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch

_log = logging.getLogger(__name__)

Meaning = TypeVar("Meaning")


class Watched(Generic[Meaning]):
    """The result of `read`, renewed with its files. Raises `IdentityError` when they cannot be used at the start."""

    def __init__(self, what: str, watch: Watch, read: Callable[[], Meaning]) -> None:
        self._what = what
        self._watch = watch
        self._read = read
        # The stamps come first: what is written while we read is found at the next look.
        self._stamps = watch.stamps()
        self._failure: str | None = None
        self._meaning = read()

    def current(self) -> Meaning:
        """Return what the files mean now. Raises `IdentityError` while they cannot be used."""
        stamps = self._watch.stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
        if self._failure is not None:
            raise IdentityError(self._failure)
        return self._meaning

    def _reload(self) -> None:
        try:
            self._meaning = self._read()
            self._failure = None
        except IdentityError as error:
            self._failure = str(error)
            _log.error("%s are refused with 503 until this is mended: %s", self._what, error)
