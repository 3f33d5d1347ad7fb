"""
What an authority has issued and taken back: one small file, replaced as a whole.

A certificate is in the ledger before anybody gets it, so that whatever is found in the field can be revoked by its serial number. A list of
revoked certificates has a number, which the ledger raises before the list is signed: no two lists are alike (RFC 5280, 5.2.3).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.files import lock, read_regular, write_atomic
from deepseek_local.pki import certificates, names
from deepseek_local.pki.build import Revoked

NAME = "ledger.json"
_BYTES_LIMIT = 64 * 1024 * 1024


class Issued(msgspec.Struct, frozen=True):
    """A certificate that was handed out."""

    serial: str
    """Hexadecimal, as audit records have it."""
    names: tuple[str, ...]
    begins: datetime
    ends: datetime


class Withdrawn(msgspec.Struct, frozen=True):
    """A certificate that was taken back."""

    serial: str
    at: datetime
    reason: str
    """As RFC 5280 spells it: `keyCompromise`, `superseded`, …"""


class Ledger(msgspec.Struct, frozen=True):
    """All of it."""

    list_number: int = 0
    """Of the newest revocation list."""
    issued: tuple[Issued, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()

    def find(self, serial: int) -> Issued | None:
        """Return what was issued under a serial number."""
        return next((each for each in self.issued if int(each.serial, 16) == serial), None)

    def is_withdrawn(self, serial: int) -> bool:
        """Whether a certificate was taken back."""
        return any(int(each.serial, 16) == serial for each in self.withdrawn)

    def revoked(self, now: datetime) -> list[Revoked]:
        """Return what a revocation list must name: what was taken back and has not expired."""
        alive = {each.serial for each in self.issued if each.ends >= now}
        return [
            Revoked(int(each.serial, 16), each.at, x509.ReasonFlags(each.reason))
            for each in self.withdrawn
            if each.serial in alive
        ]

    def with_issued(self, certificate: x509.Certificate) -> "Ledger":
        """Add a certificate."""
        called = [names.shown(name) for name in certificates.alternative_names(certificate)]
        new = Issued(
            f"{certificate.serial_number:x}",
            tuple(called or [certificates.common_name(certificate)]),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )
        return msgspec.structs.replace(self, issued=(*self.issued, new))

    def with_withdrawn(self, revoked: Revoked) -> "Ledger":
        """Take a certificate back. Raises `PKIError` when it is not ours, or was taken back before."""
        serial = f"{revoked.serial:x}"
        if self.find(revoked.serial) is None:
            raise PKIError(
                f"this authority has issued no certificate {serial}; look at `certs status` for those it has"
            )
        if any(each.serial == serial for each in self.withdrawn):
            raise PKIError(f"the certificate {serial} was revoked before; nothing is left to do")
        new = Withdrawn(serial, revoked.at, revoked.reason.value)
        return msgspec.structs.replace(self, withdrawn=(*self.withdrawn, new))


def read(directory: Path) -> Ledger:
    """Read the ledger of an authority; an empty one where there is none yet. Raises `PKIError`."""
    place = directory / NAME
    try:
        return msgspec.json.decode(read_regular(place, _BYTES_LIMIT), type=Ledger)
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise PKIError(f"the ledger {place} cannot be read: {error.strerror}; check its owner and mode") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PKIError(f"the ledger {place} is damaged ({error}); restore it from its copy") from error


@contextmanager
def opened(directory: Path) -> Iterator[Ledger]:
    """Keep other programs from the ledger; `write` it before the block ends. Raises `PKIError`."""
    try:
        descriptor = lock(directory / NAME)
    except OSError as error:
        raise PKIError(f"the ledger in {directory} cannot be locked: {error.strerror}; check owner and mode") from error
    try:
        yield read(directory)
    finally:
        os.close(descriptor)


def write(directory: Path, ledger: Ledger) -> None:
    """Replace the ledger, durably. Raises `PKIError`."""
    try:
        write_atomic(directory / NAME, msgspec.json.format(msgspec.json.encode(ledger)), keep_owner=True)
    except OSError as error:
        raise PKIError(
            f"the ledger in {directory} cannot be written: {error.strerror}; check owner, mode and space there"
        ) from error
