"""Who passes the rendered nginx, and who does not (threats 1 to 4)."""

import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from fronted_site import NOW, SITE, FrontedSite, Shown, read
from quick_engine import QuickEngine
from waiting import wait_until

from deepseek_local.pki import founding, names, trust
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)
SPIFFE = (names.principal("u:alice", SITE),)
REQUEST = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def stranger(site: FrontedSite) -> Shown:
    """Someone of another site with the same names."""
    other = Layout(site.place / "other")
    founding.found(other, SITE, (), NOW)
    return site.client("u:alice", authority=other.hierarchy(Purpose.CLIENT).issuer)


WRONG = {
    "expired": lambda site: site.client("u:alice", now=NOW - 10 * DAY, life=DAY),
    "not yet valid": lambda site: site.client("u:alice", now=NOW + DAY),
    "made for servers": lambda site: site.client("u:alice", purpose=Purpose.SERVER),
    "of another root": stranger,
    "the server's own": lambda site: site.client(
        "",
        authority=site.layout.hierarchy(Purpose.SERVER).issuer,
        purpose=Purpose.SERVER,
        alternative=(x509.DNSName("a.example"),),
    ),
    "of a client, by the server's authority": lambda site: site.client(
        "", authority=site.layout.hierarchy(Purpose.SERVER).issuer, alternative=(x509.DNSName("a.example"),)
    ),
}


def test_a_right_certificate_passes_and_is_handed_on(site: FrontedSite, engine: QuickEngine):
    assert site.ask(site.alice).status == 200
    (asked,) = engine.asked
    assert asked.values("x-ds-proxy") == [site.places.proxy_key.read_bytes().hex().encode()]
    assert asked.values("x-ds-client-ip") == [b"127.0.0.1"]
    (escaped,) = asked.values("x-ds-client-cert")
    assert escaped.startswith(b"-----BEGIN%20CERTIFICATE-----%0A")


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_certificate_is_refused(site: FrontedSite, engine: QuickEngine, fault: str):
    answer = site.ask(WRONG[fault](site))
    assert (answer.status, answer.code) == (400, "certificate_refused")
    assert not engine.asked


def test_without_a_certificate_nobody_passes(site: FrontedSite, engine: QuickEngine):
    answer = site.ask(None)
    assert (answer.status, answer.code) == (400, "no_certificate")
    assert not engine.asked


def test_an_older_tls_is_refused_in_the_handshake(site: FrontedSite):
    with (
        pytest.raises(ssl.SSLError, match="alert protocol version"),
        site.connected(site.alice, site.context(site.alice, ssl.TLSVersion.TLSv1_2)),
    ):
        pass


@pytest.mark.usefixtures("engine")
def test_a_revoked_certificate_is_refused_fresh_and_resumed(site: FrontedSite):
    mallory = site.client("u:mallory")
    context = site.context(mallory)
    with site.connected(mallory, context) as stream:
        stream.sendall(REQUEST)
        assert read(stream).status == 200
        session = stream.session
    # No ticket was sent: what OpenSSL keeps is no session that could be taken up again.
    assert session is None or not session.has_ticket
    issuer = site.authority
    issuer.revoke(mallory.certificate.serial_number, x509.ReasonFlags.key_compromise, NOW)
    trust.publish_lists(site.layout)
    site.reload()
    assert site.ask(mallory).code == "certificate_refused"
    with site.connected(mallory, context, session) as stream:
        assert not stream.session_reused
        stream.sendall(REQUEST)
        assert read(stream).code == "certificate_refused"
    assert site.ask(site.alice).status == 200


@pytest.mark.usefixtures("engine")
def test_when_a_list_has_expired_nobody_passes_until_there_is_a_new_one(site: FrontedSite):
    site.publish(NOW - 8 * DAY)
    site.reload()
    assert site.ask(site.alice).code == "certificate_refused"
    site.publish(NOW)
    site.reload()
    assert site.ask(site.alice).status == 200


@pytest.mark.usefixtures("engine")
def test_when_the_list_of_one_level_is_missing_nobody_passes(site: FrontedSite):
    lists = site.layout.trust / trust.LISTS[Purpose.CLIENT]
    whole = lists.read_bytes()
    end = b"-----END X509 CRL-----\n"
    lists.write_bytes(whole.split(end)[1] + end)
    site.reload()
    assert site.ask(site.alice).code == "certificate_refused"
    lists.write_bytes(whole)
    site.reload()
    assert site.ask(site.alice).status == 200


@pytest.mark.usefixtures("engine")
def test_a_new_certificate_of_the_server_is_served_after_a_reload(site: FrontedSite):
    def serial() -> str:
        with site.connected(site.alice) as stream:
            found = stream.getpeercert()
            assert found is not None
            return str(found["serialNumber"])

    before = serial()
    site.renew()
    site.reload()
    wait_until(lambda: serial() != before)
