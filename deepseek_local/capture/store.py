"""
Whole prompts and answers, one encrypted file each, below a directory for each day.

    capture/2026-11-24/key          the key of the day, wrapped
    capture/2026-11-24/9f86d081…    "DSC1", nonce, AES-256-GCM of the text

A file is named by the SHA-256 of its own bytes, and records refer to it by that name: it tells nothing about the text, and the proof of a
record is a proof of the stored file too. Nothing is ever overwritten.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag

from deepseek_local.capture.day_keys import NONCE_BYTES, TAG_BYTES, DayKeys
from deepseek_local.errors import AuditError
from deepseek_local.files import read_regular, write_new

_MAGIC = b"DSC1"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def _utc() -> datetime:
    return datetime.now(UTC)


class Store:
    """One site's texts; any number of processes and threads may add to it."""

    def __init__(self, directory: Path, site_key: bytes, now: Callable[[], datetime] = _utc) -> None:
        self._directory = directory
        self._keys = DayKeys(directory, site_key)
        self._now = now

    def put(self, text: bytes) -> str:
        """Store a text and return the digest by which it is found, once it is on disk. Raises `AuditError`."""
        day = self._now().strftime("%Y-%m-%d")
        try:
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = _MAGIC + nonce + self._keys.ensure(day).encrypt(nonce, text, _bound_to(day))
            name = hashlib.sha256(sealed).hexdigest()
            write_new(self._directory / day / name, sealed)
        except OSError as error:
            raise AuditError(
                f"a text could not be captured below {self._directory} ({error.strerror}); check its free space and owner"
            ) from error
        return f"sha256:{name}"

    def get(self, digest: str) -> bytes:
        """Return a text. Raises `AuditError` when it is not there, was altered, or cannot be decrypted."""
        path = self._find(digest)
        try:
            sealed = read_regular(path, path.stat().st_size + 1)
            if f"sha256:{hashlib.sha256(sealed).hexdigest()}" != digest:
                raise AuditError(f"{path} is not what was captured: its bytes have another digest")
            start = len(_MAGIC) + NONCE_BYTES
            if not sealed.startswith(_MAGIC) or len(sealed) < start + TAG_BYTES:
                raise AuditError(f"{path} is no captured text; somebody else put it there")
            day = path.parent.name
            return self._keys.read(day).decrypt(sealed[len(_MAGIC) : start], sealed[start:], _bound_to(day))
        except OSError as error:
            raise AuditError(
                f"{error.filename} cannot be read ({error.strerror}); without the key of its day a text is gone"
            ) from error
        except InvalidTag as error:
            raise AuditError(f"{path} cannot be decrypted with the key of its day") from error

    def _find(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise AuditError(
                f"{digest!r:.80} is no digest of a captured text; give `capture` of a record, such as sha256:9f86…"
            )
        for day in sorted(self._directory.glob("????-??-??"), reverse=True):
            if (day / match[1]).exists():
                return day / match[1]
        raise AuditError(f"nothing was captured under {digest} below {self._directory}, or it was removed")


def _bound_to(day: str) -> bytes:
    return f"deepseek-local captured text {day}".encode()
