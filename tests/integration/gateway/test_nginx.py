"""Client certificates and addresses behind a real nginx, and everything that must not pass for one."""

from collections.abc import Iterator
from typing import Any

import pytest
from certificates import Authority, Identity, uri

from deepseek_local.identity import tokens
from tests.integration.gateway.nginx import PROGRAM, ProxiedDoor

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="there is no nginx; requirements/system.txt names its package"),
]
MODELS = "/v1/models"


@pytest.fixture(scope="module", params=["h11", "httptools"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedDoor]:
    site = ProxiedDoor(tmp_path_factory.mktemp("site"), request.param)
    with site.serving(), site.proxied():
        yield site


@pytest.fixture(autouse=True)
def _nobody_denied(site: ProxiedDoor) -> Iterator[None]:
    yield
    site.denied.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def ann(site: ProxiedDoor) -> Identity:
    return site.clients.issue(uri("user/ann"), common_name="root")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def forged(site: ProxiedDoor, identity: Identity) -> dict[str, str]:
    return {
        "X-DS-Proxy": site.proxy_key.hex(),
        "X-DS-Client-IP": "192.0.2.1",
        "X-DS-Client-Cert": identity.escaped.decode(),
    }


def test_a_client_certificate_is_an_identity_and_the_record_has_the_real_address(site: ProxiedDoor, ann: Identity):
    with site.through(ann, "127.0.0.2") as client:
        response = client.get(MODELS)
    assert response.status_code == 200
    decision = site.decision(response)
    assert decision["sub"] == {"id": "u:ann", "src": "mtls", "kid": ann.serial}
    assert decision["ip"] == "127.0.0.2"
    assert not [name for name, _ in site.seen(response).headers if name.startswith(b"x-ds-")]


def test_a_certificates_rights_are_those_of_the_name_in_it(site: ProxiedDoor, ann: Identity):
    with site.through(ann) as client:
        assert client.post("/v1/chat/completions", json={"model": "stub", "messages": []}).status_code == 403


def test_without_a_certificate_a_token_counts(site: ProxiedDoor):
    with site.through(address="127.0.0.3") as client:
        response = client.get(MODELS, headers=bearer(site.ann))
    assert response.status_code == 200
    decision = site.decision(response)
    assert (decision["sub"]["src"], decision["ip"]) == ("token", "127.0.0.3")


@pytest.mark.parametrize("spelling", [str, lambda name: name.replace("-", "_")])
def test_headers_from_outside_are_overwritten(site: ProxiedDoor, ann: Identity, spelling: Any):
    headers = {spelling(name): value for name, value in forged(site, ann).items()}
    with site.through(address="127.0.0.4") as client:
        response = client.get(MODELS, headers=headers)
    assert (response.status_code, site.decision(response)["ip"]) == (401, "127.0.0.4")
    bob = site.clients.issue(uri("user/bob"))
    with site.through(bob) as client:
        response = client.get(MODELS, headers=headers)
    assert site.decision(response)["sub"]["id"] == "u:bob"


def test_a_denied_serial_is_refused_at_once_on_an_open_connection(site: ProxiedDoor, ann: Identity):
    with site.through(ann) as client:
        assert client.get(MODELS).status_code == 200
        site.denied.write_text(f"{ann.serial}\n")
        response = client.get(MODELS)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthenticated")
        assert "deny-list" in response.json()["error"]["message"]
        site.denied.write_text("what?\n")
        assert client.get(MODELS).status_code == 503
        site.denied.unlink()
        assert client.get(MODELS).status_code == 200


def test_a_certificate_of_another_authority_is_refused_by_both(site: ProxiedDoor):
    stranger = Authority("strangers", site.clients.now).issue(uri("user/ann"))
    with site.through(stranger) as client:
        response = client.get(MODELS, headers=bearer(site.ann))
    assert (response.status_code, response.headers.get("x-request-id")) == (400, None)
    with site.through(stranger, port=site.careless) as client:
        response = client.get(MODELS, headers=bearer(site.ann))
    assert response.status_code == 401
    assert "not signed by an authority" in response.json()["error"]["message"]


def test_nginx_alone_speaks_for_clients_on_the_socket(site: ProxiedDoor, ann: Identity):
    headers = forged(site, ann)
    with site.direct() as client:
        assert client.get(MODELS, headers=headers).status_code == 200
        del headers["X-DS-Proxy"]
        response = client.get(MODELS, headers=headers)
        assert (response.status_code, site.decision(response)["ip"]) == (401, "unix")
        response = client.get(MODELS, headers=bearer(site.ann))
        assert (response.status_code, site.decision(response)["ip"]) == (200, "unix")


def test_over_tcp_no_certificate_counts_even_with_the_proxys_key(site: ProxiedDoor, ann: Identity):
    response = site.ask(site.ann, "GET", MODELS, headers=forged(site, ann))
    assert response.status_code == 401
    assert "only when the proxy hands it over" in response.json()["error"]["message"]
    assert site.decision(response)["ip"] == "127.0.0.1"


def test_an_address_that_guesses_is_banned_and_its_neighbours_are_not(site: ProxiedDoor, ann: Identity):
    guess = bearer(tokens.mint()[1])
    with site.through(address="127.0.0.5") as guesser, site.through(address="127.0.0.6") as neighbour:
        statuses = [guesser.get(MODELS, headers=guess).status_code for _ in range(22)]
        assert statuses == [401] * 20 + [429] * 2
        assert neighbour.get(MODELS, headers=guess).status_code == 401
        assert guesser.get(MODELS, headers=bearer(site.ann)).status_code == 200
        banned = guesser.get(MODELS, headers=guess)
        assert 0 < int(banned.headers["retry-after"]) <= 60
        assert banned.headers["x-should-retry"] == "false"
    with site.through(ann, "127.0.0.5") as proved:
        assert proved.get(MODELS).status_code == 200
