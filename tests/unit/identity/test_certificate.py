"""Client certificates in force: from the proxy, from a pinned authority, in time, and not on the deny-list."""

from datetime import timedelta
from pathlib import Path

import pytest
from certificates import NOW, SITE, Authority, Identity, uri

from deepseek_local.access import Principal, Strength
from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity import certificate, leaf
from deepseek_local.identity.certificate import Certificates
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.proxy import Origin
from deepseek_local.profile.handover import CertificateSettings


class Site:
    def __init__(self, directory: Path) -> None:
        self.authority = Authority()
        self.issuer_file = directory / "clients.pem"
        self.issuer_file.write_bytes(self.authority.pem)
        self.denied = directory / "denied-serials.txt"
        self.settings = CertificateSettings(
            site=SITE, issuer_files=(self.issuer_file,), denied_serials_file=self.denied
        )

    def certificates(self) -> Certificates:
        return Certificates(self.settings, Watch([self.issuer_file], 0))


def shown(*identities: Identity, is_vouched: bool = True) -> Origin:
    return Origin("10.0.0.5", tuple(identity.escaped for identity in identities), is_vouched)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_right_certificate_names_its_principal_at_full_strength(site: Site):
    alice = site.authority.issue()
    expected = Principal("u:alice", "mtls", alice.serial, strength=Strength.CERTIFICATE)
    certificates = site.certificates()
    assert [certificates.identify(shown(alice), NOW) for _ in range(3)] == [expected] * 3


def test_a_certificate_that_the_proxy_does_not_hand_over_counts_nothing(site: Site):
    with pytest.raises(CredentialError, match="only when the proxy hands it over"):
        site.certificates().identify(shown(site.authority.issue(), is_vouched=False), NOW)


def test_two_certificates_are_none(site: Site):
    alice = site.authority.issue()
    with pytest.raises(CredentialError, match="more than one"):
        site.certificates().identify(shown(alice, alice), NOW)


def test_a_known_certificate_ends_at_its_end_and_does_not_begin_before_its_begin(site: Site):
    alice = site.authority.issue()
    certificates = site.certificates()
    assert certificates.identify(shown(alice), NOW + timedelta(hours=1))
    for moment in (NOW + timedelta(hours=1, seconds=1), NOW - timedelta(hours=1, seconds=1)):
        with pytest.raises(CredentialError, match="not valid now"):
            certificates.identify(shown(alice), moment)


def test_a_denied_certificate_is_refused_at_once(site: Site):
    alice, bob = site.authority.issue(), site.authority.issue(uri("user/bob"))
    certificates = site.certificates()
    assert certificates.identify(shown(alice), NOW)
    site.denied.write_text(f"{alice.serial.upper()}  # lost\n")
    with pytest.raises(CredentialError, match="deny-list"):
        certificates.identify(shown(alice), NOW)
    assert certificates.identify(shown(bob), NOW)
    site.denied.unlink()
    assert certificates.identify(shown(alice), NOW)


def test_a_broken_deny_list_refuses_every_certificate_until_it_is_mended(site: Site, caplog: pytest.LogCaptureFixture):
    alice = site.authority.issue()
    certificates = site.certificates()
    site.denied.write_text("what?\n")
    for _ in range(3):
        with pytest.raises(IdentityError, match=":1: 'what\\?' is no serial"):
            certificates.identify(shown(alice), NOW)
    assert caplog.text.count("certificates are refused with 503 until this is mended") == 1
    site.denied.write_text("")
    assert certificates.identify(shown(alice), NOW)


def test_with_another_issuer_the_old_certificates_are_forgotten(site: Site):
    alice, other = site.authority.issue(), Authority()
    certificates = site.certificates()
    assert certificates.identify(shown(alice), NOW)
    site.issuer_file.write_bytes(other.pem)
    with pytest.raises(CredentialError, match="not signed by an authority"):
        certificates.identify(shown(alice), NOW)
    site.issuer_file.write_bytes(other.pem + site.authority.pem)
    assert certificates.identify(shown(alice), NOW)


@pytest.mark.parametrize("content", [b"", b"what?", None, "leaf"])
def test_a_start_without_usable_issuers_is_refused(site: Site, content: bytes | str | None):
    if content is None:
        site.issuer_file.unlink()
    else:
        site.issuer_file.write_bytes(site.authority.issue().pem if isinstance(content, str) else content)
    with pytest.raises(IdentityError, match=str(site.issuer_file)):
        site.certificates()


def test_a_signature_is_verified_once(site: Site, monkeypatch: pytest.MonkeyPatch):
    alice = site.authority.issue()
    certificates = site.certificates()
    expected = certificates.identify(shown(alice), NOW)

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(leaf, "verify", fail)
    assert certificates.identify(shown(alice), NOW) == expected


def test_memory_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(certificate, "_REMEMBERED", 2)
    certificates = site.certificates()
    many = [site.authority.issue() for _ in range(4)]
    assert [certificates.identify(shown(one), NOW).key_id for one in many] == [one.serial for one in many]
    assert len(certificates._authorities.current().proved) == 2
    assert certificates.identify(shown(many[0]), NOW).key_id == many[0].serial
