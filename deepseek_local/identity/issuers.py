"""The pinned authorities: certificates in PEM files, each of which may sign what names a principal."""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from deepseek_local.errors import IdentityError
from deepseek_local.files import read_regular
from deepseek_local.identity.loads import ReadFile

MAXIMUM_BYTES = 1_048_576


def read(files: Iterable[Path], read_file: ReadFile = read_regular) -> tuple[x509.Certificate, ...]:
    """Return the authorities of all files. Raises `IdentityError` for a file that is missing, malformed, or holds a client's certificate."""
    return tuple(issuer for file in files for issuer in _read(file, read_file))


def _read(file: Path, read_file: ReadFile) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(read_file(file, MAXIMUM_BYTES))
        are_authorities = [_is_authority(certificate) for certificate in found]
    except OSError as error:
        raise IdentityError(
            f"the issuer {file} cannot be read ({error.strerror}); check gateway.certificates.issuers"
        ) from error
    except (ValueError, x509.InvalidVersion) as error:
        raise IdentityError(
            f"the issuer {file} is no file of PEM certificates ({error}); put the authority's certificate there"
        ) from error
    if not all(are_authorities):
        raise IdentityError(
            f"the issuer {file} has a certificate that is no authority's; pin who signs the clients, not a client"
        )
    return found


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
