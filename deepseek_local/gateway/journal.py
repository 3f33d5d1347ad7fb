"""Records on their way to the sequencer; that they stop getting there, and that they do again, is logged once each."""

import logging
from collections.abc import Mapping

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError

_log = logging.getLogger(__name__)


class Journal:
    """The audit log, seen from the front door."""

    def __init__(self, client: AuditClient) -> None:
        self._client = client
        self._is_silent = False
        self._policy: str | None = None

    async def append(self, kind: str, fields: Mapping[str, object]) -> None:
        """Return when the record is on disk. Raises `AuditError` when that is not certain."""
        try:
            await self._client.append(kind, fields)
        except AuditError as error:
            if not self._is_silent:
                self._is_silent = True
                _log.error("requests are refused with 503 until their records can be written: %s", error)
            raise
        if self._is_silent:
            self._is_silent = False
            # As loud as what it ends: vLLM leaves our loggers at the level of warnings.
            _log.warning("records can be written again")

    async def note_policy(self, digest: str) -> None:
        """Record a policy before the first decision under it. Raises `AuditError`."""
        if digest == self._policy:
            return
        before, self._policy = self._policy, digest
        try:
            await self.append("policy_load", {"pol": digest, "before": before})
        except BaseException:
            self._policy = before
            raise

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
