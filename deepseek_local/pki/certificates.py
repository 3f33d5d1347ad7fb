"""
Certificates in files, and what they say of themselves.
"""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from deepseek_local.errors import PKIError
from deepseek_local.files import read_regular

_BYTES_LIMIT = 262_144


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as text, in this order."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def alternative_names(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """Return whom the certificate names, apart from its subject."""
    try:
        return tuple(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ()


def common_name(certificate: x509.Certificate) -> str:
    """Return what an authority calls itself; empty for a leaf."""
    return "".join(str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def read(place: Path) -> x509.Certificate:
    """Read the first certificate of a file. Raises `PKIError`."""
    return read_all(place)[0]


def read_all(place: Path) -> list[x509.Certificate]:
    """Read all certificates of a file, at least one. Raises `PKIError`."""
    try:
        return x509.load_pem_x509_certificates(read_regular(place, _BYTES_LIMIT))
    except FileNotFoundError as error:
        raise PKIError(f"there is no certificate {place}; make it with `certs init` or `certs issue`") from error
    except OSError as error:
        raise PKIError(f"the certificate {place} cannot be read: {error.strerror}; check its owner and mode") from error
    except ValueError as error:
        raise PKIError(f"{place} holds no certificate in PEM; restore it from its copy") from error
