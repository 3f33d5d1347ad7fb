"""
Is a certificate the one that was wanted? Asked before it is put into service, of our own authorities and of others alike.

Everything is looked at here that would make a handshake fail later: the chain up to a root, the times, the one purpose, the names, the key.
This is no general path validation (RFC 5280, 6): it judges chains of the form that this site makes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from deepseek_local.errors import PKIError
from deepseek_local.pki import certificates, names
from deepseek_local.pki.build import Purpose

_USAGES = {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


def check(
    chain: Sequence[x509.Certificate],
    roots: Iterable[x509.Certificate],
    *,
    key: ec.EllipticCurvePrivateKey,
    wanted: Iterable[x509.GeneralName],
    purpose: Purpose,
    now: datetime,
) -> None:
    """Raise `PKIError` with the first thing that is wrong in a chain, leaf first, roots not included."""
    leaf, *_ = chain
    if leaf.public_key() != key.public_key():
        raise PKIError("the certificate is for another key; request it again with the key that is here")
    missing = [names.shown(name) for name in wanted if name not in certificates.alternative_names(leaf)]
    if missing:
        raise PKIError(f"the certificate does not name {', '.join(missing)}; request it for all names")
    _check_form(leaf, purpose)
    root = next((each for each in roots if each.subject == chain[-1].issuer), None)
    if root is None:
        raise PKIError(
            f"no trusted root is called {chain[-1].issuer.rfc4514_string()!r}; add the missing authorities to the chain, or the root to the trusted ones"
        )
    for one, issuer in pairwise((*chain, root)):
        _check_issued(one, issuer)
    for one in (*chain, root):
        _check_time(one, now)


def _check_form(leaf: x509.Certificate, purpose: Purpose) -> None:
    extensions = leaf.extensions
    try:
        usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = []
    if usages != [_USAGES[purpose]]:
        raise PKIError(
            f"the certificate is not for {purpose} authentication alone; request it with exactly this extended key usage"
        )
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if is_authority:
        raise PKIError("the certificate is an authority's own; put the leaf first")


def _check_issued(one: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        one.verify_directly_issued_by(issuer)
        is_authority = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        is_authority = False
    if not is_authority:
        raise PKIError(
            f"{_called(one)} is not issued by {_called(issuer)}, which stands behind it; put the chain in order, leaf first"
        )


def _check_time(one: x509.Certificate, now: datetime) -> None:
    begins, ends = one.not_valid_before_utc, one.not_valid_after_utc
    if not begins <= now < ends:
        raise PKIError(
            f"{_called(one)} is valid from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC, and the clock says "
            f"{now:%Y-%m-%d %H:%M}; set the clock right, or request another certificate"
        )


def _called(certificate: x509.Certificate) -> str:
    return certificates.common_name(certificate) or f"the certificate {certificate.serial_number:x}"
