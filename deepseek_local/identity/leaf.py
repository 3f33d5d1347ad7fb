"""
A client certificate to the principal that it names (RFC 5280; SPIFFE X.509-SVID).

It must be signed by a pinned authority itself, not through others; must be made for clients and not for an authority; and must have exactly
one URI among its alternative names: `spiffe://SITE/user/NAME` is `u:NAME`, `spiffe://SITE/service/NAME` is `s:NAME`. The common name is never
looked at: every authority writes there what it likes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from deepseek_local.access import CANARY, PRINCIPAL
from deepseek_local.identity.credential import CredentialError

MAXIMUM_BYTES = 16_384
"""A certificate as nginx escapes it; one with a P-256 key has about 1,200."""
_ESCAPED = re.compile(rb"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
_NAMESPACES = {"user": "u", "service": "s"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate proves, within its time."""

    principal: str
    serial: int
    begins: datetime
    """The later of its own begin and its authority's."""
    ends: datetime
    """The last moment at which both are valid."""


def verify(escaped: bytes, issuers: Sequence[x509.Certificate], site: str) -> Leaf:
    """Return what the header's certificate proves, its time not yet considered. Raises `CredentialError` for all other bytes."""
    if len(escaped) > MAXIMUM_BYTES or not _ESCAPED.fullmatch(escaped):
        raise CredentialError("the certificate was not handed over as nginx does it")
    try:
        (certificate,) = x509.load_pem_x509_certificates(unquote_to_bytes(escaped))
        issuer = _issuer(certificate, issuers)
        extensions = certificate.extensions
        _check_form(certificate.serial_number, extensions)
        return Leaf(
            _principal(extensions, site),
            certificate.serial_number,
            max(certificate.not_valid_before_utc, issuer.not_valid_before_utc),
            min(certificate.not_valid_after_utc, issuer.not_valid_after_utc),
        )
    except CredentialError:
        raise
    # The bytes may be hostile and the parser is not ours: whatever it raises (InvalidVersion is no ValueError), nothing is proved.
    except Exception as error:
        raise CredentialError("the certificate cannot be read") from error


def _issuer(certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> x509.Certificate:
    for issuer in issuers:
        if certificate.issuer != issuer.subject:
            continue
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            continue
        return issuer
    raise CredentialError("the certificate is not signed by an authority that counts here")


def _check_form(serial: int, extensions: x509.Extensions) -> None:
    if serial <= 0:
        raise CredentialError("the certificate has no serial number by which it could be denied")
    if any(known.critical and isinstance(known.value, x509.UnrecognizedExtension) for known in extensions):
        raise CredentialError("the certificate has a condition that is not understood")
    try:
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is None or ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise CredentialError("the certificate is not made for clients")
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if is_authority:
        raise CredentialError("the certificate is an authority's own")


def _principal(extensions: x509.Extensions, site: str) -> str:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise CredentialError("the certificate names nobody") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    scheme, _, path = uris[0].partition(f"spiffe://{site}/") if len(uris) == 1 else ("-", "", "")
    kind, _, name = path.partition("/")
    principal = f"{_NAMESPACES.get(kind)}:{name}"
    if scheme or not PRINCIPAL.fullmatch(principal) or principal == CANARY:
        raise CredentialError("the certificate does not name exactly one user or service of this site")
    return principal
