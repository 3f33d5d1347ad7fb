"""
The key of a log in an HSM, as a signer of notes (see `hsm.ed25519`).

A checkpoint that the HSM does not sign is one that cannot be written: the sequencer ends, as it does when the disk fails, and nothing more
is acknowledged until a start finds the key again.
"""

from deepseek_local.errors import AuditError, HSMError
from deepseek_local.hsm.ed25519 import Ed25519Key
from deepseek_local.tlog.keys import Verifier


class HSMSigner:
    """A key in an HSM under the name of a log."""

    def __init__(self, name: str, key: Ed25519Key) -> None:
        self._key = key
        self.verifier = Verifier(name, key.public_key)
        """Verifies what it signs; to be handed out."""
        self.name = name
        self.key_id = self.verifier.key_id

    def sign(self, text: str) -> bytes:
        """Return 64 bytes. Raises `AuditError`."""
        try:
            return self._key.sign(text.encode())
        except HSMError as error:
            raise AuditError(f"the checkpoint is not signed: {error}") from error
