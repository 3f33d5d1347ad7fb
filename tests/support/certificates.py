"""Authorities and leaf certificates for tests, right by default and wrong in one chosen respect."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
SITE = "site.example"
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


def uri(path: str, site: str = SITE) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(f"spiffe://{site}/{path}")


@dataclass
class Identity:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def escaped(self) -> bytes:
        """The certificate as nginx puts it into `$ssl_client_escaped_cert`."""
        return quote(self.pem, safe="").encode("ascii")

    @property
    def serial(self) -> str:
        """The serial number as audit records have it."""
        return f"{self.certificate.serial_number:x}"


@dataclass
class Authority:
    """An authority that signs whatever a test asks for."""

    name: str = "client-ca"
    now: datetime = NOW
    issued: Identity = field(init=False)

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(self.name)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        )
        self.issued = Identity(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        return self.issued.pem

    def issue(
        self,
        *names: x509.GeneralName,
        common_name: str = "alice",
        usage: tuple[x509.ObjectIdentifier, ...] | None = CLIENT,
        is_authority: bool | None = None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        serial: int | None = None,
        more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    ) -> Identity:
        """Sign a leaf for the alternative names; `uri("user/alice")` where none is given."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(self.issued.certificate.subject)
            .public_key(key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(begins or self.now - timedelta(hours=1))
            .not_valid_after(ends or self.now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName(names or (uri("user/alice"),)), critical=False)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        if is_authority is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical=critical)
        return Identity(builder.sign(self.issued.key, hashes.SHA256()), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
