"""Records on their way to the sequencer; that they stop getting there, and that they do again, is logged once each."""

import asyncio
import logging
from collections.abc import Mapping

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError
from deepseek_local.gateway import metrics

_log = logging.getLogger(__name__)


class Journal:
    """The audit log, seen from the front door."""

    def __init__(self, client: AuditClient) -> None:
        self._client = client
        self._is_silent = False
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

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
