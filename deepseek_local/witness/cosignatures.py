"""
The cosignatures that a log has got: all of them in a file that only grows, and the newest checkpoint that has enough of them.

`cosignatures.jsonl` in the audit directory has one line for each: `cosignature` (the signature line), `text` (of the note), `time`
(seconds since 1970, as the witness signed them) and `witness` (its name in the policy). `tlog/checkpoint.witnessed` is a signed note.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deepseek_local.errors import AuditError, WitnessError
from deepseek_local.files import lock, read_regular, write_atomic
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.keys import time_of
from deepseek_local.tlog.note import BYTES_LIMIT, Note, Signature
from deepseek_local.tlog.policy import Policy
from deepseek_local.witness.local_log import DIRECTORY

NAME = "cosignatures.jsonl"
WITNESSED = "checkpoint.witnessed"
MODE = 0o640

_LOG = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder(order="sorted")


class Cosignatures:
    """The files of one audit directory."""

    def __init__(self, directory: Path) -> None:
        self._lines = directory / NAME
        self._witnessed = directory / DIRECTORY / WITNESSED

    def witnessed(self) -> Note | None:
        """Return the newest checkpoint that had enough cosignatures, or None; an unreadable one is as good as none."""
        try:
            return note.parse(read_regular(self._witnessed, BYTES_LIMIT + 1))
        except FileNotFoundError:
            return None
        except (OSError, AuditError) as error:
            _LOG.warning("%s is of no use, so the witnesses are asked how far they are: %s", self._witnessed, error)
            return None

    def keep(self, signed: Note, new: Mapping[str, Signature], policy: Policy) -> bool:
        """
        Store the cosignatures of a checkpoint by the names of the witnesses; return whether it has enough now.

        Raises `WitnessError` when they cannot be written.
        """
        try:
            descriptor = lock(self._witnessed)
            try:
                self._append(signed, new)
                return self._show(signed, new, policy)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise WitnessError(
                f"the cosignatures cannot be stored ({error.filename or self._lines}: {error.strerror}); "
                "make room and look at the rights, then submit again"
            ) from error

    def _append(self, signed: Note, new: Mapping[str, Signature]) -> None:
        lines = [
            {"cosignature": str(line), "text": signed.text, "time": time_of(line.signature), "witness": name}
            for name, line in sorted(new.items())
        ]
        descriptor = os.open(self._lines, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            size = os.fstat(descriptor).st_size
            torn = (
                size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            )  # what a power cut left of a line stands alone
            content = b"\n" * torn + b"".join(_encoder.encode(line) + b"\n" for line in lines)
            while content:
                content = content[stream.write(content) :]
            os.fdatasync(descriptor)

    def _show(self, signed: Note, new: Mapping[str, Signature], policy: Policy) -> bool:
        old = self.witnessed()
        lines = {(line.name, line.key_id): line for line in (*signed.signatures, *new.values())}
        if old is not None and old.text == signed.text:
            lines = {(line.name, line.key_id): line for line in old.signatures} | lines
        cosigned = Note(signed.text, tuple(lines.values()))
        enough = policy.is_met(policy.cosigners(cosigned))
        # Another submission may have been faster with a later checkpoint.
        if enough and (old is None or _size(old) <= _size(signed)):
            write_atomic(self._witnessed, cosigned.encode(), MODE, keep_owner=True)
        return enough


def _size(signed: Note) -> int:
    try:
        return checkpoint.parse(signed.text).size
    except AuditError:
        return 0
