"""
What an auditor trusts: the public key of a log, and perhaps the first key of its evolving MAC; nothing else is believed.

Both were handed over when the log was set up and are kept away from its host.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.files import read_regular
from deepseek_local.tlog import checkpoint as checkpoints
from deepseek_local.tlog import note as notes
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.evolving import KEY_BYTES
from deepseek_local.tlog.keys import KeyType, Verifier
from deepseek_local.tlog.note import Note

_FILE_BYTES_LIMIT = 65_536
_HEX_CHARACTERS = 2 * KEY_BYTES


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of one log. Raises `AuditError` when there is none, or they are not of one log."""

    verifiers: tuple[Verifier, ...]
    """One, or several after its key was changed."""
    first_mac_key: bytes | None = field(default=None, repr=False)
    """`K_0`, 32 bytes; without it the MACs are not looked at."""

    def __post_init__(self) -> None:
        origins = {verifier.name for verifier in self.verifiers}
        if len(origins) != 1 or any(verifier.kind is not KeyType.ED25519 for verifier in self.verifiers):
            raise AuditError(
                f"the keys {', '.join(sorted(origins)) or '(none)'} are not those of one log; give the verifier key that its set-up printed"
            )

    @property
    def origin(self) -> str:
        """Which log it is."""
        return self.verifiers[0].name

    def open(self, data: bytes, where: str, start: int = 0) -> tuple[Note, Checkpoint]:
        """
        Read a signed checkpoint of this log; the signature is looked at from size `start` on.

        Raises `TamperedError`, naming `where` it stood, for anything else.
        """
        try:
            note = notes.parse(data)
            found = checkpoints.parse(note.text)
        except AuditError as error:
            raise TamperedError(f"{where} is no checkpoint: {error}") from error
        if found.origin != self.origin:
            raise TamperedError(
                f"{where} is of the log {found.origin!r:.200}, not of {self.origin}; take the key or the file that belongs to it"
            )
        if found.size >= start and not notes.verify(note, self.verifiers):
            raise TamperedError(
                f"{where} is not signed by the key of {self.origin}; restore it from its copy and find out who wrote it"
            )
        return note, found


def read(keys: Sequence[str], mac_key: Path | None = None) -> Trust:
    """Take verifier keys, each as itself or as a file of such lines, and the file of `K_0`. Raises `AuditError`."""
    lines = [line for key in keys for line in _lines(key)]
    return Trust(tuple(map(Verifier.parse, lines)), None if mac_key is None else _mac_key(mac_key))


def _lines(key: str) -> list[str]:
    """A verifier key has two plus signs, which no sensible file name has."""
    if key.count("+") >= 2:  # noqa: PLR2004 -- name+id+key
        return [key.strip()]
    lines = _content(Path(key)).decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _mac_key(path: Path) -> bytes:
    """Read 32 bytes, as they are, in hexadecimal or in base64."""
    content = _content(path)
    if len(content) == KEY_BYTES:
        return content
    text = content.strip()
    try:
        key = bytes.fromhex(text.decode()) if len(text) == _HEX_CHARACTERS else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise AuditError(f"{path} is not the first key of a MAC; it has {KEY_BYTES} bytes, in hexadecimal or base64")
    return key


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, _FILE_BYTES_LIMIT)
    except OSError as error:
        raise AuditError(
            f"cannot read the key {path}: {error.strerror}; name a file with what `audit init` showed"
        ) from error
