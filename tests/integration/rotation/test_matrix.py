"""Who may come to nginx: the certificates that count, and every kind that does not, with openssl and curl as judges."""

import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from certified_site import NAME, CertifiedSite

from deepseek_local.identity import denied
from deepseek_local.pki import build, certificates, keys, names
from deepseek_local.pki.build import Purpose, Signer
from deepseek_local.pki.hierarchy import Hierarchy

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
ALICE = (names.principal("u:alice", "hospital.example"),)
CACHED = "ssl_session_cache shared:tls:1m; ssl_session_tickets off;"


def shown(site, name: str, signer: Signer, *, at: datetime = NOW, purpose: Purpose = Purpose.CLIENT) -> str:
    """Make a leaf that no command would make, and return its PEM file."""
    key = keys.for_leaf()
    leaf = build.leaf(key.public_key(), ALICE, signer, purpose=purpose, now=at, life=timedelta(days=90))
    place = site.place / f"{name}.pem"
    place.write_bytes(certificates.pem([leaf, signer.certificate]) + keys.pem(key))
    return str(place)


def test_only_a_right_certificate_opens(site, tmp_path):
    alice = site.bundle("u:alice")
    other = Hierarchy(tmp_path / "other", Purpose.CLIENT)
    other.make_root("hospital.example", NOW)
    other.make_issuer("hospital.example", [], NOW)
    ours = site.layout.hierarchy(Purpose.CLIENT)
    served = site.layout.server.current
    with ours.issuer.signer() as signer, other.issuer.signer() as strange, ours.root.signer() as root:
        wrong = {
            "expired": shown(site, "expired", signer, at=NOW - timedelta(days=91)),
            "not yet valid": shown(site, "early", signer, at=NOW + timedelta(days=1)),
            "for servers": shown(site, "usage", signer, purpose=Purpose.SERVER),
            "of another root": shown(site, "other", strange),
        }
        of_the_root = shown(site, "root", root)
    with site.served():
        assert site.curl("--cert", str(alice)) == "200"
        assert site.curl("--cert", str(alice), "--tls-max", "1.2").startswith("curl: (35)")
        assert site.curl() == "400"
        assert {why: site.curl("--cert", place) for why, place in wrong.items()} == dict.fromkeys(wrong, "400")
        assert site.curl("--cert", str(served / "certificate.pem"), "--key", str(served / "key.pem")) == "400"
        # nginx knows no purpose of a level: the front door's pinned issuers refuse what a root has signed itself.
        assert site.curl("--cert", of_the_root) == "200"


def test_a_list_that_has_expired_locks_everybody_out_until_the_next_one(site):
    alice = str(site.bundle("u:alice"))
    old = site.layout.hierarchy(Purpose.CLIENT)
    for each in (old.root, *old.issuers()):
        each.publish(NOW - timedelta(days=8))
    (site.layout.trust / "client-crl.pem").write_bytes(old.lists())
    with site.served():
        assert site.curl("--cert", alice) == "400"
        assert site.certs("crl", *site.nginx_words()) == 0
        assert site.curl("--cert", alice) == "200"


class Visitor:
    """A client that resumes its session where the server lets it."""

    def __init__(self, site: CertifiedSite, bundle: str) -> None:
        self.context = ssl.create_default_context(cafile=str(site.layout.trust / "server-root.pem"))
        self.context.load_cert_chain(bundle)
        self.address = ("127.0.0.1", site.port)
        self.session: ssl.SSLSession | None = None

    def status(self) -> tuple[int, bool]:
        """Return the status, and whether the session was resumed."""
        with (
            socket.create_connection(self.address, 10) as stream,
            self.context.wrap_socket(stream, server_hostname=NAME, session=self.session) as secured,
        ):
            secured.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            answer = b""
            while block := secured.recv(65536):
                answer += block
            self.session = secured.session
            return int(answer.split(b" ")[1]), bool(secured.session_reused)


@pytest.mark.parametrize("word", ["u:alice", "serial"])
def test_a_revoked_certificate_opens_nothing_fresh_or_resumed(site, word):
    bundle = site.bundle("u:alice")
    serial = certificates.read(bundle).serial_number
    with site.served():
        visitor = Visitor(site, str(bundle))
        assert [visitor.status() for _ in range(2)] == [(200, False), (200, False)]
        text = f"{serial:X}" if word == "serial" else word
        assert site.certs("revoke", text, "--reason", "key-compromise", *site.nginx_words()) == 0
        assert visitor.status() == (400, False)
        assert site.curl("--cert", str(bundle)) == "400"
        assert site.curl("--cert", str(site.bundle("u:bob"))) == "200"
    assert denied.read(site.home / "denied-serials.txt") == {serial}


def test_the_visitor_would_show_a_revocation_that_resumption_defeats(site):
    site.resumption = CACHED
    bundle = site.bundle("u:alice")
    with site.served():
        visitor = Visitor(site, str(bundle))
        assert [visitor.status() for _ in range(2)] == [(200, False), (200, True)]
        assert site.certs("revoke", "u:alice", *site.nginx_words()) == 0
        assert visitor.status() == (200, True)
        assert site.curl("--cert", str(bundle)) == "400"
