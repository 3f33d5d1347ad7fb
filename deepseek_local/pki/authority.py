"""
An authority on disk: a directory with its certificate, its key or where the key is, its ledger, and its newest revocation list.

    server-ica-1/certificate.pem  key.pem | key.uri  ledger.json  crl.pem

`key.uri` names a key in an HSM, which is asked for every signature and never leaves it; `key.pem` has mode 0600. Whatever is signed is in the
ledger first, so a crash leaves at worst an entry without a certificate.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory, write_atomic
from deepseek_local.pki import build, certificates, constraints, keys, ledger
from deepseek_local.pki.build import LEAF_LIFE, Purpose, Revoked, Signer

CERTIFICATE = "certificate.pem"
KEY = "key.pem"
KEY_URI = "key.uri"
LIST = "crl.pem"

_DIRECTORY_MODE = 0o700
_PUBLIC_MODE = 0o644


class Authority:
    """One authority; its key is opened only while something is signed."""

    def __init__(self, directory: Path, certificate: x509.Certificate) -> None:
        self.directory = directory
        self.certificate = certificate

    @property
    def name(self) -> str:
        """What it is called, which is its directory's name."""
        return self.directory.name

    @contextmanager
    def signer(self) -> Iterator[Signer]:
        """Open the key. Raises `PKIError`, and `HSMError` where an HSM refuses."""
        with opened_key(self.directory) as key:
            if key.public_key() != self.certificate.public_key():
                raise PKIError(
                    f"the key of {self.name} does not belong to its certificate; restore both from the same copy"
                )
            yield Signer(self.certificate, key)

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        names: Sequence[x509.GeneralName],
        *,
        purpose: Purpose,
        now: datetime,
        life: timedelta = LEAF_LIFE,
    ) -> x509.Certificate:
        """Sign a leaf and return it once it is in the ledger. Raises `PKIError`."""
        constraints.check(self.certificate, names)
        with ledger.opened(self.directory) as before, self.signer() as signer:
            self._check_life(now)
            certificate = build.leaf(public_key, names, signer, purpose=purpose, now=now, life=life)
            ledger.write(self.directory, before.with_issued(certificate))
        return certificate

    def revoke(self, serial: int, reason: x509.ReasonFlags, now: datetime) -> None:
        """Take a certificate back, in the ledger and in a new list. Raises `PKIError`."""
        with ledger.opened(self.directory) as before:
            ledger.write(self.directory, before.with_withdrawn(Revoked(serial, now, reason)))
        self.publish(now)

    def publish(self, now: datetime) -> x509.CertificateRevocationList:
        """Sign a new revocation list and put it beside the certificate. Raises `PKIError`."""
        with ledger.opened(self.directory) as before, self.signer() as signer:
            number = before.list_number + 1
            ledger.write(self.directory, ledger.Ledger(number, before.issued, before.withdrawn))
            revoked = build.revocation_list(signer, number, before.revoked(now), now)
            _write(self.directory / LIST, list_pem(revoked))
        return revoked

    def certify(
        self,
        name: str,
        public_key: ec.EllipticCurvePublicKey,
        *,
        purpose: Purpose,
        now: datetime,
        constraints: x509.NameConstraints | None = None,
    ) -> x509.Certificate:
        """Sign an authority below this one and return it once it is in the ledger. Raises `PKIError`."""
        with ledger.opened(self.directory) as before, self.signer() as signer:
            self._check_life(now)
            certificate = build.intermediate(
                name, public_key, signer, purpose=purpose, now=now, constraints=constraints
            )
            ledger.write(self.directory, before.with_issued(certificate))
        return certificate

    def has_issued(self, serial: int) -> bool:
        """Whether the ledger has this serial number. Raises `PKIError`."""
        return ledger.read(self.directory).find(serial) is not None

    def _check_life(self, now: datetime) -> None:
        ends = self.certificate.not_valid_after_utc
        if not self.certificate.not_valid_before_utc <= now < ends:
            raise PKIError(
                f"{self.name} is not valid now ({now:%Y-%m-%d %H:%M} UTC; it ends on {ends:%Y-%m-%d}); "
                "check the clock, or make its successor with `certs rotate --authority`"
            )


def read(directory: Path) -> Authority:
    """Return the authority of a directory. Raises `PKIError`."""
    return Authority(directory, certificates.read(directory / CERTIFICATE))


def create(directory: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | str) -> Authority:
    """Write a new authority; `key` is the key or the `pkcs11:` URI of one. Raises `PKIError`, also where one is already."""
    if (directory / CERTIFICATE).exists():
        raise PKIError(f"{directory} holds an authority already; move it away only if nothing that it issued is in use")
    try:
        make_directory(directory, _DIRECTORY_MODE)
    except OSError as error:
        raise PKIError(f"{directory} cannot be made: {error.strerror}; check owner and mode above it") from error
    if isinstance(key, str):
        _write(directory / KEY_URI, f"{key}\n".encode())
    else:
        keys.write(directory / KEY, key)
    # Last, because it makes the authority: what a crash leaves before can be written again.
    _write(directory / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    return Authority(directory, certificate)


def list_pem(revoked: x509.CertificateRevocationList) -> bytes:
    """Return a revocation list as text."""
    return revoked.public_bytes(Encoding.PEM)


@contextmanager
def opened_key(directory: Path) -> Iterator[ec.EllipticCurvePrivateKey]:
    """Open the key of an authority, in its file or in an HSM. Raises `PKIError`, `HSMError`."""
    yield keys.read(directory / KEY)


def _write(place: Path, content: bytes) -> None:
    try:
        write_atomic(place, content, _PUBLIC_MODE, keep_owner=True)
    except OSError as error:
        raise PKIError(f"{place} cannot be written: {error.strerror}; check owner, mode and space there") from error
