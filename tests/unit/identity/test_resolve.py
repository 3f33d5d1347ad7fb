"""Who asks: the first source that applies decides, and what is shown and wrong is never passed over."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from certificates import NOW, SITE, Authority
from cryptography.hazmat.primitives.asymmetric import ec

from deepseek_local.access import Principal
from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity import keys, store, tokens
from deepseek_local.identity.certificate import Certificates
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.jwt import SignedTokens
from deepseek_local.identity.live import LiveTokens
from deepseek_local.identity.proxy import Proxy
from deepseek_local.identity.resolve import Resolver
from deepseek_local.profile.handover import CertificateSettings, JWTSettings
from tests.unit.identity.test_key_set import public

PROXY_KEY = bytes(32)
UNIX = {"client": None, "server": ("/run/front.sock", None)}
TCP = {"client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000)}
PROXY = (b"x-ds-proxy", PROXY_KEY.hex().encode())


class Site:
    def __init__(self, directory: Path) -> None:
        authority = Authority()
        self.certificate = authority.issue().escaped
        issuer = directory / "clients.pem"
        issuer.write_bytes(authority.pem)
        self.key_file = directory / "tokens.key"
        self.store = directory / "tokens.json"
        key = keys.ensure(self.key_file)
        self.token = store.create(self.store, self.key_file, "u:bob", NOW)[1]
        self.signer = ec.generate_private_key(ec.SECP256R1())
        key_set = directory / "jwks.json"
        key_set.write_text(json.dumps({"keys": [public(self.signer)]}))
        self.proxy = Proxy(PROXY_KEY)
        self.tokens = LiveTokens(self.store, key, {}, Watch([self.store], 0))
        self.certificates = Certificates(
            CertificateSettings(site=SITE, issuer_files=(issuer,), denied_serials_file=directory / "denied")
        )
        self.signed_tokens = SignedTokens(JWTSettings(keys_file=key_set, issuer="idp", audience="deepseek"))
        self.resolver = Resolver(self.proxy, self.tokens, self.certificates, self.signed_tokens)

    def jwt(self) -> str:
        now = NOW.timestamp()
        claims = {"iss": "idp", "aud": "deepseek", "sub": "carol", "iat": now, "nbf": now, "exp": now + 60}
        return jwt.encode(claims, self.signer, "ES256")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def scope(place: dict[str, Any], *headers: tuple[bytes, bytes], bearer: str | None = None) -> dict[str, Any]:
    more = [(b"authorization", f"Bearer {bearer}".encode())] if bearer else []
    return {**place, "headers": [*headers, *more]}


def identify(resolver: Resolver, request: dict[str, Any], now: datetime) -> Principal:
    return resolver.identify(request["headers"], resolver.origin(request), now)


def test_each_source_names_its_principal(site: Site):
    certificate = (b"x-ds-client-cert", site.certificate)
    scopes = [scope(UNIX, PROXY, certificate), scope(TCP, bearer=site.token), scope(UNIX, PROXY, bearer=site.jwt())]
    found = [identify(site.resolver, one, NOW) for one in scopes]
    assert [(one.name, one.source) for one in found] == [("u:alice", "mtls"), ("u:bob", "token"), ("u:carol", "jwt")]


def test_a_certificate_comes_before_a_token(site: Site):
    certificate = (b"x-ds-client-cert", site.certificate)
    assert identify(site.resolver, scope(UNIX, PROXY, certificate, bearer=site.token), NOW).name == "u:alice"


@pytest.mark.parametrize(
    ("place", "headers"),
    [
        (TCP, (PROXY,)),
        (UNIX, ()),
        (UNIX, ((b"x-ds-proxy", b"00"),)),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_refused_with_a_right_token(
    site: Site, place: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...]
):
    certificate = (b"x-ds-client-cert", site.certificate)
    with pytest.raises(CredentialError, match="only when the proxy hands it over"):
        identify(site.resolver, scope(place, *headers, certificate, bearer=site.token), NOW)


def test_a_wrong_certificate_is_refused_with_a_right_token(site: Site):
    for wrong in (b"", Authority().issue().escaped):
        with pytest.raises(CredentialError):
            identify(site.resolver, scope(UNIX, PROXY, (b"x-ds-client-cert", wrong), bearer=site.token), NOW)
    certificate = (b"x-ds-client-cert", site.certificate)
    with pytest.raises(CredentialError, match="not valid now"):
        identify(site.resolver, scope(UNIX, PROXY, certificate, bearer=site.token), NOW + timedelta(days=1))


def test_where_no_certificates_count_a_shown_one_is_refused(site: Site):
    resolver = Resolver(site.proxy, site.tokens)
    with pytest.raises(CredentialError, match="no certificate counts"):
        identify(resolver, scope(UNIX, PROXY, (b"x-ds-client-cert", site.certificate), bearer=site.token), NOW)


def test_where_no_json_web_tokens_count_one_is_an_unknown_token(site: Site):
    with pytest.raises(CredentialError, match="unknown, expired or revoked"):
        identify(Resolver(site.proxy, site.tokens), scope(UNIX, bearer=site.jwt()), NOW)


@pytest.mark.parametrize("count", [0, 2])
def test_without_exactly_one_authorization_header_there_is_no_identity(site: Site, count: int):
    header = (b"authorization", f"Bearer {site.token}".encode())
    with pytest.raises(CredentialError, match="not exactly one"):
        identify(site.resolver, scope(TCP, *[header] * count), NOW)


def test_an_unknown_token_is_not_tried_as_a_json_web_token(site: Site):
    for unknown in (tokens.mint()[1], "dsk_", f"dsk_{site.jwt()}"):
        with pytest.raises(CredentialError, match="the token is unknown"):
            identify(site.resolver, scope(TCP, bearer=unknown), NOW)


def test_an_unusable_store_does_not_matter_to_the_others(site: Site):
    site.store.chmod(0o644)
    with pytest.raises(IdentityError):
        identify(site.resolver, scope(TCP, bearer=site.token), NOW)
    assert identify(site.resolver, scope(TCP, bearer=site.jwt()), NOW).name == "u:carol"


def test_the_address_is_the_clients_behind_the_proxy_and_the_peers_else(site: Site):
    said = (b"x-ds-client-ip", b"10.0.0.5")
    found = [
        site.resolver.origin(one).address
        for one in (scope(UNIX, PROXY, said), scope(UNIX, said), scope(TCP, PROXY, said))
    ]
    assert found == ["10.0.0.5", "unix", "127.0.0.1"]
