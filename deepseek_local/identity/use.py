"""
When a token was used last: an empty file per token, whose time says it; touched at most once a minute.

A file of its own, because the token store belongs to whoever administers tokens and is read by every API process: writing it for every
request would be wrong twice. Nothing here can fail a request.
"""

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

_log = logging.getLogger(__name__)
_PRECISION = timedelta(minutes=1)
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class TokenUse:
    """Notes the use of tokens in one directory (0700), which it creates."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._noted: dict[str, datetime] = {}
        self._is_silent = False

    def note(self, kid: str, now: datetime) -> None:
        """Remember that the token was used; `kid` must be that of a token in the store."""
        noted = self._noted.get(kid)
        if noted is not None and abs(now - noted) < _PRECISION:
            return
        self._noted[kid] = now
        try:
            _touch(self._directory, kid, now)
            self._is_silent = False
        except OSError as error:
            if not self._is_silent:
                self._is_silent = True
                _log.warning("the last use of tokens is not noted: %s", error)


def last_use(directory: Path, kid: str) -> datetime | None:
    """Return when the token was used last; None where that is not known."""
    try:
        return datetime.fromtimestamp((directory / kid).stat().st_mtime, UTC)
    except OSError:
        return None


def _touch(directory: Path, kid: str, now: datetime) -> None:
    try:
        descriptor = os.open(directory / kid, _FLAGS, 0o600)
    except FileNotFoundError:
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory / kid, _FLAGS, 0o600)
    try:
        os.utime(descriptor, (now.timestamp(), now.timestamp()))
    finally:
        os.close(descriptor)
