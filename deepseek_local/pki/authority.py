"""
An authority on disk: a directory with its certificate, its key or where the key is, its ledger, and its newest revocation list.

    server-ica-1/certificate.pem  key.pem | key.uri  ledger.json  crl.pem

`key.uri` names a key in an HSM, which is asked for every signature and never leaves it; `key.pem` has mode 0600. Whatever is signed is in the
ledger first, so a crash leaves at worst an entry without a certificate. The key comes first and the certificate last: it makes the authority,
and a run that was interrupted before it goes on with the same key.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory, read_regular, write_atomic
from deepseek_local.hsm import ec as token_keys
from deepseek_local.hsm.uri import TokenURI, parse
from deepseek_local.pki import build, certificates, constraints, keys, ledger
from deepseek_local.pki.build import LEAF_LIFE, Purpose, Revoked, Signer

CERTIFICATE = "certificate.pem"
KEY = "key.pem"
KEY_URI = "key.uri"
LIST = "crl.pem"

_DIRECTORY_MODE = 0o700
_PUBLIC_MODE = 0o644
_URI_BYTES_LIMIT = 4_096
_IDENTIFIER_BYTES = 8


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


def prepare(directory: Path, token: TokenURI | None) -> None:
    """Make the key of an authority, in its file or in a token, unless a run before has made it. Raises `PKIError`, `HSMError`."""
    if (directory / CERTIFICATE).exists():
        raise PKIError(f"{directory} holds an authority already; move it away only if nothing that it issued is in use")
    try:
        make_directory(directory, _DIRECTORY_MODE)
    except OSError as error:
        raise PKIError(f"{directory} cannot be made: {error.strerror}; check owner and mode above it") from error
    if token is not None and not (directory / KEY_URI).exists():
        # Its name is on disk before the key is in the token, so a crash between the two leaves no key that nobody knows.
        named = token_keys.named(token, directory.name, secrets.token_bytes(_IDENTIFIER_BYTES))
        _write(directory / KEY_URI, f"{named}\n".encode())
    if (uri := token_of(directory)) is not None:
        token_keys.ensure(uri)
    elif not (directory / KEY).exists():
        keys.write(directory / KEY, keys.for_authority())


def create(directory: Path, certificate: x509.Certificate) -> Authority:
    """Make the prepared directory an authority. Raises `PKIError`."""
    _write(directory / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    return Authority(directory, certificate)


def list_pem(revoked: x509.CertificateRevocationList) -> bytes:
    """Return a revocation list as text."""
    return revoked.public_bytes(Encoding.PEM)


@contextmanager
def opened_key(directory: Path) -> Iterator[ec.EllipticCurvePrivateKey]:
    """Open the key of an authority, in its file or in an HSM. Raises `PKIError`, `HSMError`."""
    uri = token_of(directory)
    if uri is None:
        yield keys.read(directory / KEY)
        return
    with token_keys.key(uri) as key:
        yield key


def token_of(directory: Path) -> TokenURI | None:
    """Return the name of the key in an HSM; None where it is in a file. Raises `PKIError`, `HSMError`."""
    place = directory / KEY_URI
    try:
        return parse(read_regular(place, _URI_BYTES_LIMIT).decode().strip())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise PKIError(f"{place} cannot be read ({error}); restore it from its copy") from error


def _write(place: Path, content: bytes) -> None:
    try:
        write_atomic(place, content, _PUBLIC_MODE, keep_owner=True)
    except OSError as error:
        raise PKIError(f"{place} cannot be written: {error.strerror}; check owner, mode and space there") from error
