"""Two hierarchies that OpenSSL accepts for what they are for, and for nothing else."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from openssl import complaint

from deepseek_local.errors import PKIError
from deepseek_local.pki import build, chain, keys, names
from deepseek_local.pki.build import LEAF_LIFE, Purpose
from deepseek_local.pki.hierarchy import Hierarchy

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
SITE = "hospital.example"
NAMES = {
    Purpose.SERVER: names.server(["api.hospital.example", "10.0.0.5"]),
    Purpose.CLIENT: (names.principal("u:alice", SITE),),
}
OPENSSL = {Purpose.SERVER: "sslserver", Purpose.CLIENT: "sslclient"}


@pytest.fixture(params=Purpose)
def hierarchy(request: pytest.FixtureRequest, tmp_path: Path) -> Hierarchy:
    made = Hierarchy(tmp_path / "pki", request.param)
    made.make_root(SITE, NOW)
    made.make_issuer(SITE, [SITE, "10.0.0.0/8"], NOW)
    return made


def issued(hierarchy: Hierarchy, *wanted: x509.GeneralName) -> list[x509.Certificate]:
    """Return a chain without its root."""
    public = keys.for_leaf().public_key()
    leaf = hierarchy.issuer.issue(public, wanted or NAMES[hierarchy.purpose], purpose=hierarchy.purpose, now=NOW)
    return [leaf, hierarchy.issuer.certificate]


def judged(
    tmp_path: Path, hierarchy: Hierarchy, chain: list[x509.Certificate], purpose: Purpose, at: datetime = NOW
) -> str:
    lists = hierarchy.publish(at)
    return complaint(tmp_path, [*chain, hierarchy.root.certificate], OPENSSL[purpose], at, lists)


def test_openssl_accepts_a_leaf_for_its_purpose(tmp_path: Path, hierarchy: Hierarchy) -> None:
    assert judged(tmp_path, hierarchy, issued(hierarchy), hierarchy.purpose) == ""


def test_openssl_refuses_it_for_the_other_purpose(tmp_path: Path, hierarchy: Hierarchy) -> None:
    (other,) = set(Purpose) - {hierarchy.purpose}
    assert "unsuitable certificate purpose" in judged(tmp_path, hierarchy, issued(hierarchy), other)


@pytest.mark.parametrize("day", [-1, 91])
def test_openssl_refuses_it_before_and_after_its_time(tmp_path: Path, hierarchy: Hierarchy, day: int) -> None:
    at = NOW + timedelta(days=day)
    assert judged(tmp_path, hierarchy, issued(hierarchy), hierarchy.purpose, at)


def test_openssl_refuses_it_once_revoked(tmp_path: Path, hierarchy: Hierarchy) -> None:
    path = issued(hierarchy)
    serial = path[0].serial_number
    hierarchy.find(serial).revoke(serial, x509.ReasonFlags.key_compromise, NOW)
    assert "certificate revoked" in judged(tmp_path, hierarchy, path, hierarchy.purpose)


STRANGE = [x509.DNSName("api.bank.example"), *names.server(["192.0.2.1"]), names.principal("u:alice", "bank.example")]


@pytest.mark.parametrize("name", STRANGE, ids=names.shown)
def test_an_authority_refuses_strange_names_as_openssl_does(
    tmp_path: Path, hierarchy: Hierarchy, name: x509.GeneralName
) -> None:
    public, issuer, purpose = keys.for_leaf().public_key(), hierarchy.issuer, hierarchy.purpose
    with issuer.signer() as signer:
        leaf = build.leaf(public, [name], signer, purpose=purpose, now=NOW)
    is_refused = "subtree violation" in judged(tmp_path, hierarchy, [leaf, issuer.certificate], purpose)
    assert is_refused is not (purpose is Purpose.SERVER and isinstance(name, x509.UniformResourceIdentifier))
    with pytest.raises(PKIError, match="signs nothing but") if is_refused else nullcontext():
        issuer.issue(public, [name], purpose=purpose, now=NOW)


def test_a_leaf_lives_ninety_days_from_five_minutes_ago_and_has_no_subject(hierarchy: Hierarchy) -> None:
    leaf, _ = issued(hierarchy)
    assert leaf.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert leaf.not_valid_after_utc == NOW + LEAF_LIFE
    assert list(leaf.subject) == []
    assert leaf.serial_number.bit_length() == 127


def test_a_leaf_never_outlives_its_authority(hierarchy: Hierarchy) -> None:
    authority = hierarchy.issuer
    late = authority.certificate.not_valid_after_utc - timedelta(days=5)
    public = keys.for_leaf().public_key()
    leaf = authority.issue(public, NAMES[hierarchy.purpose], purpose=hierarchy.purpose, now=late)
    assert leaf.not_valid_after_utc == authority.certificate.not_valid_after_utc
    with pytest.raises(PKIError, match="is not valid now"):
        authority.issue(
            public, NAMES[hierarchy.purpose], purpose=hierarchy.purpose, now=authority.certificate.not_valid_after_utc
        )


def test_a_successor_issues_and_both_are_trusted(tmp_path: Path, hierarchy: Hierarchy) -> None:
    old = issued(hierarchy)
    hierarchy.make_issuer(SITE, [SITE, "10.0.0.0/24"], NOW)
    new = issued(hierarchy)
    assert [each.name for each in hierarchy.issuers()] == [f"{hierarchy.purpose}-ica-{n}" for n in (1, 2)]
    assert hierarchy.trusted(NOW) == [new[1], old[1], hierarchy.root.certificate]
    assert [judged(tmp_path, hierarchy, path, hierarchy.purpose) for path in (old, new)] == ["", ""]
    assert hierarchy.find(old[0].serial_number).name.endswith("ica-1")


def test_only_what_was_issued_can_be_revoked_and_only_once(hierarchy: Hierarchy) -> None:
    serial = issued(hierarchy)[0].serial_number
    with pytest.raises(PKIError, match="has issued 7b"):
        hierarchy.find(0x7B)
    authority = hierarchy.find(serial)
    authority.revoke(serial, x509.ReasonFlags.unspecified, NOW)
    with pytest.raises(PKIError, match="was revoked before"):
        authority.revoke(serial, x509.ReasonFlags.unspecified, NOW)


def test_lists_are_numbered_and_forget_what_has_expired(hierarchy: Hierarchy) -> None:
    leaf, _ = issued(hierarchy)
    hierarchy.issuer.revoke(leaf.serial_number, x509.ReasonFlags.superseded, NOW)
    later = [hierarchy.issuer.publish(NOW + timedelta(days=days)) for days in (1, 91)]
    numbers = [each.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for each in later]
    assert numbers == [2, 3]
    assert [len(list(each)) for each in later] == [1, 0]


def test_making_it_again_changes_nothing_and_a_half_made_one_is_completed(hierarchy: Hierarchy) -> None:
    root = hierarchy.root.certificate
    assert hierarchy.make_root(SITE, NOW).certificate == root
    (hierarchy.issuer.directory / "certificate.pem").unlink()
    assert not hierarchy.exists
    hierarchy.make_issuer(SITE, [SITE, "10.0.0.0/8"], NOW)
    assert hierarchy.exists


def test_a_key_of_another_authority_is_noticed(hierarchy: Hierarchy) -> None:
    keys.write(hierarchy.issuer.directory / "key.pem", keys.for_authority())
    with pytest.raises(PKIError, match="does not belong to its certificate"):
        issued(hierarchy)


def test_the_check_before_service_says_what_is_wrong(hierarchy: Hierarchy) -> None:
    key, purpose = keys.for_leaf(), hierarchy.purpose
    wanted = NAMES[purpose]
    leaf = hierarchy.issuer.issue(key.public_key(), wanted, purpose=purpose, now=NOW)
    path, root = [leaf, hierarchy.issuer.certificate], hierarchy.root.certificate
    (other,) = set(Purpose) - {purpose}
    chain.check(path, [root], key=key, wanted=wanted, purpose=purpose, now=NOW)
    wrong = {
        "for another key": {"key": keys.for_leaf()},
        "does not name": {"wanted": [x509.DNSName("other.example")]},
        "authentication alone": {"purpose": other},
        "set the clock right": {"now": NOW + timedelta(days=100)},
    }
    right = {"key": key, "wanted": wanted, "purpose": purpose, "now": NOW}
    for message, changed in wrong.items():
        with pytest.raises(PKIError, match=message):
            chain.check(path, [root], **{**right, **changed})  # type: ignore[arg-type]
    for message, bad in {"no trusted root": path[:1], "put the chain in order": [leaf, leaf, path[1]]}.items():
        with pytest.raises(PKIError, match=message):
            chain.check(bad, [root], **right)  # type: ignore[arg-type]
