"""
Full capture, seen from the front door: a text is in the encrypted store before the record that refers to it is written.

What cannot be captured counts like what cannot be recorded: the request is refused, or the answer ends without its last bytes.
"""

import asyncio
import logging
from typing import Self

from deepseek_local.audit.record import Kind
from deepseek_local.capture.store import Store
from deepseek_local.errors import AuditError
from deepseek_local.gateway.journal import Journal
from deepseek_local.identity import keys
from deepseek_local.profile.handover import GatewaySettings

_log = logging.getLogger(__name__)


class Capture:
    """The store of prompts and answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_silent = False

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self | None:
        """Return what the settings ask for; None where texts are not captured. Raises `IdentityError`."""
        chosen = settings.capture
        return None if chosen is None else cls(Store(chosen.directory, keys.read(chosen.key_file)))

    def begin(self, journal: Journal) -> None:
        """Say in the log and in the records that texts are captured."""
        _log.warning(
            "AUDIT CAPTURE ON: every admitted prompt and every answer is kept, encrypted; set audit.capture: off to end this"
        )
        journal.append(
            Kind.ADMIN, {"act": "capture_on", "obj": "capture", "sub": {"id": "s:front_door", "src": "local"}}
        )

    async def keep(self, text: bytes) -> str:
        """Store a text and return its digest, when it is on disk. Raises `AuditError`."""
        try:
            digest = await asyncio.to_thread(self._store.put, text)
        except AuditError as error:
            if not self._is_silent:
                self._is_silent = True
                _log.error("requests are refused with 503 until they can be captured: %s", error)
            raise
        if self._is_silent:
            self._is_silent = False
            _log.warning("texts can be captured again")
        return digest
