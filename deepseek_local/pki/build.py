"""
Certificates, requests and revocation lists as this site makes them (RFC 5280), from values alone: no file, no clock.

    server-root ── server-ica-N ── server leaf     DNS names and addresses, serverAuth
    client-root ── client-ica-N ── client leaf     one SPIFFE identity, clientAuth

A certificate of one hierarchy is worth nothing in the other: other root, and an extended key usage that holds for the whole branch. Keys
are P-384 for authorities and P-256 for leaves. Roles never stand in a certificate: it lives longer than a right should.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT_LIFE = timedelta(days=3650)
INTERMEDIATE_LIFE = timedelta(days=1095)
LEAF_LIFE = timedelta(days=90)
LIST_LIFE = timedelta(days=7)
BACKDATED = timedelta(minutes=5)
"""So that a client whose clock is behind accepts a new certificate."""
_SERIAL_BITS = 127
"""Positive in two's complement, and never zero: RFC 5280, 4.1.2.2."""


class Purpose(StrEnum):
    """What the leaves of a hierarchy are for."""

    SERVER = "server"
    CLIENT = "client"


_USAGE = {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority that signs: its certificate and its key, which may live in an HSM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that is taken back."""

    serial: int
    at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


def root(name: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """Build a root that lets one level of authorities below it."""
    subject = _subject(name)
    builder = _authority(subject, subject, key.public_key(), now=now, life=ROOT_LIFE, path_length=1)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, _hash(key))


def intermediate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Signer,
    *,
    purpose: Purpose,
    now: datetime,
    constraints: x509.NameConstraints | None = None,
) -> x509.Certificate:
    """Build an authority that signs leaves of one purpose, within the names that `constraints` permit, and not longer than its issuer."""
    issued_by = issuer.certificate
    life = _within(issued_by, now, INTERMEDIATE_LIFE)
    builder = _authority(_subject(name), issued_by.subject, public_key, now=now, life=life, path_length=0)
    builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGE[purpose]]), critical=False)
    builder = builder.add_extension(_issued_by(issued_by), critical=False)
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(issuer.key, _hash(issuer.key))


def leaf(
    public_key: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    issuer: Signer,
    *,
    purpose: Purpose,
    now: datetime,
    life: timedelta = LEAF_LIFE,
) -> x509.Certificate:
    """Build the certificate of a server or a client, not valid longer than its issuer."""
    issued_by = issuer.certificate
    builder = _builder(x509.Name([]), issued_by.subject, public_key, now, _within(issued_by, now, life))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGE[purpose]]), critical=False)
    # With an empty subject the alternative name is the only one, and critical (RFC 5280, 4.2.1.6).
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    builder = builder.add_extension(_issued_by(issued_by), critical=False)
    return builder.sign(issuer.key, _hash(issuer.key))


def request(key: ec.EllipticCurvePrivateKey, names: Sequence[x509.GeneralName]) -> x509.CertificateSigningRequest:
    """Build the request for a leaf (RFC 2986), made where its key is."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return builder.sign(key, hashes.SHA256())


def revocation_list(
    issuer: Signer, number: int, revoked: Iterable[Revoked], now: datetime
) -> x509.CertificateRevocationList:
    """Build the list of what an authority has taken back; `number` grows from list to list."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - BACKDATED)
        .next_update(now + LIST_LIFE)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_issued_by(issuer.certificate), critical=False)
    )
    for each in revoked:
        builder = builder.add_revoked_certificate(_entry(each))
    return builder.sign(issuer.key, _hash(issuer.key))


def _entry(revoked: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revoked.serial).revocation_date(revoked.at)
    if revoked.reason is not x509.ReasonFlags.unspecified:  # which is to be left out: RFC 5280, 5.3.1
        builder = builder.add_extension(x509.CRLReason(revoked.reason), critical=False)
    return builder.build()


def _authority(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    life: timedelta,
    path_length: int,
) -> x509.CertificateBuilder:
    builder = _builder(subject, issuer, public_key, now, life)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(_key_usage(signs_certificates=True), critical=True)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(secrets.randbits(_SERIAL_BITS) | 1 << _SERIAL_BITS - 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _within(issuer: x509.Certificate, now: datetime, life: timedelta) -> timedelta:
    return min(life, issuer.not_valid_after_utc - now)


def _issued_by(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _hash(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256()  # noqa: PLR2004 -- bits of P-256
