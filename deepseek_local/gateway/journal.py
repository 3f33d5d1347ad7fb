"""Records on their way to the sequencer; that they stop getting there, and that they do again, is logged once each."""

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import partial

from deepseek_local.audit.client import AuditClient
from deepseek_local.gateway import metrics

_log = logging.getLogger(__name__)


class Journal:
    """The audit log, seen from the front door."""

    def __init__(self, client: AuditClient) -> None:
        self._client = client
        self._is_silent = False

    def append(self, kind: str, fields: Mapping[str, object]) -> "asyncio.Future[None]":
        """
        Send a record; the future is done when it is on disk, or with an `AuditError` when that is not certain.

        Cancelling the future does not take the record back. Raises `AuditError` for a record that cannot be one.
        """
        future = self._client.append(kind, fields)
        future.add_done_callback(partial(self._note, time.perf_counter()))
        return future

    def _note(self, sent: float, record: "asyncio.Future[None]") -> None:
        """Tell how a record fared; asking for its failure is also what keeps asyncio quiet when nobody waits for it any more."""
        if record.cancelled():
            return
        failure = record.exception()
        if failure is not None:
            if not self._is_silent:
                self._is_silent = True
                _log.error("requests are refused with 503 until their records can be written: %s", failure)
            return
        metrics.appended(time.perf_counter() - sent)
        if self._is_silent:
            self._is_silent = False
            # As loud as what it ends: vLLM leaves our loggers at the level of warnings.
            _log.warning("records can be written again")

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
