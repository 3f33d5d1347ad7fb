"""The supervisor's own audit records: when the engine was started, became ready, died and was stopped, and when the sequencer died."""

import logging
from collections.abc import Mapping

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError

_NOTHING: Mapping[str, str] = {}
_log = logging.getLogger(__name__)


class Journal:
    """Writes records of kind `admin`."""

    def __init__(self, client: AuditClient, profile: str) -> None:
        self._client = client
        self._profile = profile

    async def record(
        self, action: str, reason: str = "", more: Mapping[str, str] = _NOTHING, *, resource: str = "engine"
    ) -> None:
        """Write a record, with `more` in its attributes, and wait until it is durable. Raises `AuditError`."""
        fields: dict[str, object] = {
            "act": action,
            "obj": resource,
            "sub": {"id": "s:supervisor", "src": "local"},
            "attr": {"profile": self._profile, **more},
        }
        await self._client.append("admin", fields | ({"reason": reason} if reason else {}))

    async def note(
        self, action: str, reason: str = "", more: Mapping[str, str] = _NOTHING, *, resource: str = "engine"
    ) -> bool:
        """Write a record if that is possible, and say so: the engine's life must not hang on it, what clients do already does."""
        try:
            await self.record(action, reason, more, resource=resource)
        except AuditError as error:
            _log.warning("the audit log did not take the record %s: %s", action, error)
            return False
        return True
