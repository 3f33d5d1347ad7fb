"""Records on their way to the sequencer; that they stop getting there, and that they do again, is logged once each."""

import asyncio
import logging
import time
from collections.abc import Mapping

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError, NoRoomError
from deepseek_local.gateway import metrics

FULL_SECONDS = 60.0
"""How often it is logged that the volume of the log is full: it may be full for a night."""

_log = logging.getLogger(__name__)


class Journal:
    """The audit log, seen from the front door."""

    def __init__(self, client: AuditClient) -> None:
        self._client = client
        self._is_silent = False
        self._next_full = 0.0
        client.watch(self)

    def append(self, kind: str, fields: Mapping[str, object]) -> "asyncio.Future[None]":
        """
        Send a record; the future is done when it is on disk, or with an `AuditError` when that is not certain.

        Cancelling the future does not take the record back. Raises `AuditError` for a record that cannot be one.
        """
        return self._client.append(kind, fields)

    def written(self, seconds: float) -> None:
        """Count a record that is on disk (the client calls this)."""
        metrics.appended(seconds)
        if self._is_silent:
            self._is_silent = False
            # As loud as what it ends: vLLM leaves our loggers at the level of warnings.
            _log.warning("records can be written again")

    def failed(self, error: AuditError) -> None:
        """Log that records stop, the first time (the client calls this)."""
        if not self._is_silent:
            self._is_silent = True
            _log.error("requests are refused with 503 until their records can be written: %s", error)

    def turned_away(self, error: NoRoomError) -> None:
        """Log, once a minute, that there is no room for requests (the client calls this)."""
        now = time.monotonic()
        if now >= self._next_full:
            self._next_full = now + FULL_SECONDS
            _log.error("requests are refused with 503 until there is room for their records: %s", error)

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
