"""Records on their way to the sequencer; that they stop getting there, and that they do again, is logged once each."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Self

from deepseek_local.audit.client import AuditClient
from deepseek_local.audit.degraded import DegradedClient
from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError, NoRoomError
from deepseek_local.gateway import metrics
from deepseek_local.profile.handover import GatewaySettings
from deepseek_local.profile.schema import AuditMode

FULL_SECONDS = 60.0
"""How often it is logged that the volume of the log is full: it may be full for a night."""
FINISH_SECONDS = 5.0
"""How long the end of the process waits for records that are late."""

_log = logging.getLogger(__name__)


class Journal:
    """The audit log, seen from the front door."""

    def __init__(self, client: AuditClient | DegradedClient) -> None:
        self._client = client
        self._degraded = client if isinstance(client, DegradedClient) else None
        self._consequence = (
            "requests are answered without a durable record" if self._degraded else "requests are refused with 503"
        )
        self._is_silent = False
        self._next_full = 0.0
        client.watch(self)

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self:
        """Return the journal in the mode that the profile asks for."""
        client = AuditClient(settings.audit_socket, settings.audit_timeout_seconds)
        return cls(DegradedClient(client) if settings.audit_mode is AuditMode.DEGRADED else client)

    def append(self, kind: str, fields: Mapping[str, object]) -> "asyncio.Future[None]":
        """
        Send a record; the future is done when it is on disk, or with an `AuditError` when that is not certain.

        In degraded mode it never fails. Cancelling it does not take the record back. Raises `AuditError` for a record that cannot be one.
        """
        return self._client.append(kind, fields)

    def begin(self) -> None:
        """Say in the log and in the records that this process does not insist on them, if so."""
        if self._degraded is not None:
            _log.warning(
                "AUDIT MODE DEGRADED: while the audit log takes no records, requests are answered nevertheless; "
                "a crash loses their records. Set audit.mode: strict to end this"
            )
            subject = {"id": "s:front_door", "src": "local"}
            self.append(Kind.ADMIN, {"act": "degraded_mode", "obj": "audit_log", "sub": subject})

    async def finish(self) -> None:
        """Write what is late, as far as that is possible."""
        if self._degraded is not None:
            await self._degraded.finish(FINISH_SECONDS)

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
            _log.error("%s until their records can be written: %s", self._consequence, error)

    def turned_away(self, error: NoRoomError) -> None:
        """Log, once a minute, that there is no room for requests (the client calls this)."""
        now = time.monotonic()
        if now >= self._next_full:
            self._next_full = now + FULL_SECONDS
            _log.error("%s until there is room for their records: %s", self._consequence, error)

    def lost(self, count: int) -> None:
        """Count records that nobody will find in the log (the client calls this)."""
        metrics.audit_lost(count)

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
