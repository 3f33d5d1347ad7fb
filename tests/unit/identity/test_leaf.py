"""What a handed-over certificate proves: one user or service of this site, or nothing; no bytes can do anything else."""

import base64
from datetime import timedelta
from urllib.parse import quote

import pytest
from certificates import NOW, SITE, Authority, uri
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepseek_local.identity import leaf
from deepseek_local.identity.credential import CredentialError

AUTHORITY = Authority()
ISSUERS = (AUTHORITY.issued.certificate,)
ALICE = AUTHORITY.issue(serial=0x41 << 152 | 7)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (SEC 2, 2.4.2): (r, s) and (r, ORDER - s) are signatures of the same text."""
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def _tlv(tag: int, content: bytes) -> bytes:
    """Write DER: tag, shortest length, content."""
    length = len(content)
    size = b"" if length < 0x80 else length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size) if size else length)) + size + content


def _escaped(der: bytes) -> bytes:
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    return quote(pem, safe="").encode("ascii")


def refused(escaped: bytes) -> str:
    with pytest.raises(CredentialError) as caught:
        leaf.verify(escaped, ISSUERS, SITE)
    return str(caught.value)


@pytest.mark.parametrize(("path", "principal"), [("user/alice", "u:alice"), ("service/batch-job", "s:batch-job")])
def test_the_alternative_name_names_the_principal(path: str, principal: str):
    identity = AUTHORITY.issue(uri(path), x509.DNSName("laptop.example"), common_name="admin")
    proved = leaf.verify(identity.escaped, ISSUERS, SITE)
    assert (proved.principal, proved.serial) == (principal, identity.certificate.serial_number)
    assert (proved.begins, proved.ends) == (NOW - timedelta(hours=1), NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    "names",
    [
        (x509.DNSName("alice"),),
        (uri("user/alice"), uri("user/alice")),
        (uri("user/alice", "other.example"),),
        (uri("user/alice", SITE + ".evil"),),
        (uri("user/alice", "x/" + SITE),),
        (x509.UniformResourceIdentifier(f"https://{SITE}/user/alice"),),
        (x509.UniformResourceIdentifier(f"SPIFFE://{SITE}/user/alice"),),
        (uri("user/Alice"),),
        (uri("user/alice/"),),
        (uri("user/"),),
        (uri("user"),),
        (uri(""),),
        (uri("admin/alice"),),
        (uri("None/alice"),),
        (uri("user/a%6cice"),),
        (uri("user/alice\n"),),
        (uri("user/alice?x"),),
        (uri("service/canary"),),
    ],
    ids=str,
)
def test_whoever_is_not_named_exactly_once_is_nobody(names: tuple[x509.GeneralName, ...]):
    assert "exactly one user or service" in refused(AUTHORITY.issue(*names).escaped)


def test_the_common_name_is_no_name():
    key_only = AUTHORITY.issue(x509.DNSName("x"), common_name="u:root")
    assert "exactly one user or service" in refused(key_only.escaped)


def test_another_authority_of_the_same_name_signs_nobody():
    assert "not signed by an authority" in refused(Authority().issue().escaped)
    assert "not signed by an authority" in refused(Authority("else").issue().escaped)


def test_of_two_authorities_of_the_same_name_either_may_sign():
    other = Authority()
    issuers = (other.issued.certificate, *ISSUERS)
    assert leaf.verify(ALICE.escaped, issuers, SITE).principal == "u:alice"


def test_an_authority_below_a_pinned_one_signs_nobody():
    below = Authority("below")
    below.issued = AUTHORITY.issue(common_name="below", is_authority=True)
    assert "not signed by an authority" in refused(below.issue().escaped)


@pytest.mark.parametrize("usage", [None, (ExtendedKeyUsageOID.SERVER_AUTH,)])
def test_a_certificate_for_something_else_is_nobody(usage: tuple[x509.ObjectIdentifier, ...] | None):
    assert "not made for clients" in refused(AUTHORITY.issue(usage=usage).escaped)


def test_an_authority_is_no_client():
    assert "an authority's own" in refused(AUTHORITY.issue(is_authority=True).escaped)
    assert leaf.verify(AUTHORITY.issue(is_authority=False).escaped, ISSUERS, SITE).principal == "u:alice"


def test_a_critical_condition_that_is_not_understood_is_refused():
    condition = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "not understood" in refused(AUTHORITY.issue(more=((condition, True),)).escaped)
    assert leaf.verify(AUTHORITY.issue(more=((condition, False),)).escaped, ISSUERS, SITE).principal == "u:alice"


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_certificate_that_no_list_could_deny_is_refused():
    serial = ALICE.certificate.serial_number.to_bytes(20)
    signed = ALICE.certificate.tbs_certificate_bytes.replace(serial, bytes((serial[0] | 0x80,)) + serial[1:])
    signature = AUTHORITY.issued.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    negative = _tlv(0x30, signed + ECDSA_WITH_SHA256 + _tlv(0x03, b"\0" + signature))
    assert x509.load_der_x509_certificate(negative).serial_number < 0
    assert "no serial number" in refused(_escaped(negative))


def test_an_authority_that_ends_earlier_ends_its_leaves():
    late = AUTHORITY.issue(ends=NOW + timedelta(days=9999))
    assert leaf.verify(late.escaped, ISSUERS, SITE).ends == AUTHORITY.issued.certificate.not_valid_after_utc


def test_two_certificates_in_one_header_are_none():
    assert "cannot be read" in refused(ALICE.escaped + AUTHORITY.issue().escaped)


def test_a_long_header_is_not_looked_at():
    assert "not handed over as nginx does it" in refused(ALICE.escaped + b"%0A" * leaf.MAXIMUM_BYTES)


@pytest.mark.parametrize("content", [b"", ALICE.pem, b"%", b"%4", b"%GG", ALICE.escaped + b"+", ALICE.escaped + b"\n"])
def test_a_header_that_nginx_does_not_write_is_refused(content: bytes):
    assert "not handed over as nginx does it" in refused(content)


@given(st.binary(max_size=2_000))
@example(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
@settings(derandomize=True, deadline=None)
def test_any_bytes_are_refused(content: bytes):
    refused(content)
    refused("".join(f"%{byte:02X}" for byte in content).encode("ascii"))


def proves_nothing_else(der: bytes) -> None:
    """Refused, or another way to write the signature of the same certificate: what was signed is what is believed."""
    try:
        proved = leaf.verify(_escaped(der), ISSUERS, SITE)
    except CredentialError:
        return
    assert proved == leaf.verify(ALICE.escaped, ISSUERS, SITE)


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_no_flipped_bit_of_the_certificate_proves_anything_else(position: int, bit: int):
    der = bytearray(ALICE.certificate.public_bytes(Encoding.DER))
    der[position % len(der)] ^= 1 << bit
    proves_nothing_else(bytes(der))


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=40))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_no_other_bytes_in_the_certificate_prove_anything_else(position: int, other: bytes):
    der = ALICE.certificate.public_bytes(Encoding.DER)
    position %= len(der)
    proves_nothing_else(der[:position] + other + der[position + len(other) :])


def test_a_signature_written_in_a_second_way_is_the_same_certificate():
    r, s = decode_dss_signature(ALICE.certificate.signature)
    other = _tlv(0x03, b"\0" + encode_dss_signature(r, ORDER - s))
    changed = _tlv(0x30, ALICE.certificate.tbs_certificate_bytes + ECDSA_WITH_SHA256 + other)
    assert x509.load_der_x509_certificate(changed) != ALICE.certificate
    assert leaf.verify(_escaped(changed), ISSUERS, SITE) == leaf.verify(ALICE.escaped, ISSUERS, SITE)
