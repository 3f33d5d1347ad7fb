"""The rendered nginx in front of the real front door: identity, slow and greedy clients, and records of what neither lets pass."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from certified_site import NGINX
from fronted_site import SITE, FrontedSite, read
from waiting import wait_until

from deepseek_local.identity import keys
from deepseek_local.pki import trust
from deepseek_local.profile.handover import CertificateSettings, GatewaySettings
from tests.integration.gateway.conftest import Door

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(NGINX is None, reason="there is no nginx; requirements/system.txt names its package"),
]
CHAT = "/v1/chat/completions"


class FrontedDoor(Door):
    """A front door on the socket that nginx asks, with the authorities of the site."""

    def __init__(self, directory: Path, http: str) -> None:
        self.site = FrontedSite(directory / "site", ("tls.requests_per_second=10000", "tls.burst=10000"))
        super().__init__(directory, http)
        keys.ensure(self.site.places.proxy_key)
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self.site.sockets[0]))
        self.listeners.append(unix)
        self.denied = directory / "denied-serials.txt"
        self.olga_shown = self.site.client("u:olga")

    def settings(self) -> GatewaySettings:
        certificates = CertificateSettings(
            site=SITE,
            issuer_files=(self.site.layout.trust / trust.ISSUERS,),
            denied_serials_file=self.denied,
        )
        more: dict[str, Any] = {"certificates": certificates, "proxy_key_file": self.site.places.proxy_key}
        return super().settings().model_copy(update=more)

    def told(self, reason: str) -> dict[str, Any]:
        """Wait for a record of a refusal and return it."""

        def found() -> list[Any]:
            known = self.sequencer.records()
            return [record for record in known if record.get("reason") == reason and record["kind"] != "decision"]

        wait_until(lambda: bool(found()))
        record: dict[str, Any] = found()[0]
        return record


@pytest.fixture(scope="module", params=["h11", "httptools"])
def fronted(request: pytest.FixtureRequest) -> Iterator[FrontedDoor]:
    with tempfile.TemporaryDirectory(prefix="fronted-") as name:
        door = FrontedDoor(Path(name), request.param)
        with door.serving(), door.site.served(), _shipping(door):
            yield door


@contextmanager
def _shipping(door: FrontedDoor) -> Iterator[None]:
    listen = door.site.surroundings.refusals
    words = ["audit", "ship-nginx", "--listen", f"unix:{listen}", "--socket", str(door.sequencer.path)]
    process = subprocess.Popen([sys.executable, "-m", "deepseek_local", *words], stderr=subprocess.DEVNULL)
    try:
        wait_until(listen.exists)
        yield
    finally:
        process.terminate()
        process.wait(20)


def chat(**stub: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [], "metadata": stub}


def test_who_shows_a_certificate_is_who_it_names(fronted: FrontedDoor):
    with fronted.site.through(fronted.olga_shown) as client:
        answer = client.post(CHAT, json=chat())
    assert answer.status_code == 200
    decision = fronted.decision(answer)
    assert decision["sub"] == {
        "id": "u:olga",
        "src": "mtls",
        "kid": f"{fronted.olga_shown.certificate.serial_number:x}",
    }
    assert decision["ip"] == "127.0.0.1"
    wait_until(lambda: any(line["request"] == answer.headers["x-request-id"] for line in fronted.site.logged()))


def test_who_may_not_is_told_by_the_front_door(fronted: FrontedDoor):
    with fronted.site.through(fronted.site.alice) as client:
        assert client.post(CHAT, json=chat()).status_code == 403
        assert client.get("/health").status_code == 200
        # One route that nginx lets pass because the catalogue has it, and the policy gives to nobody.
        assert client.post("/scale_elastic_ep", json={}).status_code == 403


def test_headers_of_a_client_make_nobody_else_of_it(fronted: FrontedDoor):
    forged = {
        "X-DS-Proxy": fronted.site.places.proxy_key.read_bytes().hex(),
        "X-DS-Client-IP": "192.0.2.1",
        "X-DS-Client-Cert": "x",
        "X_DS_Client_Cert": "x",
        "X-Forwarded-For": "192.0.2.1",
    }
    with fronted.site.through(fronted.olga_shown) as client:
        answer = client.post(CHAT, json=chat(), headers=forged)
    decision = fronted.decision(answer)
    assert (decision["sub"]["id"], decision["ip"]) == ("u:olga", "127.0.0.1")
    assert b"192.0.2.1" not in b"".join(value for _, value in fronted.seen(answer).headers)


def test_a_revoked_serial_is_refused_at_once_by_the_deny_list(fronted: FrontedDoor):
    with fronted.site.through(fronted.olga_shown) as client:
        fronted.denied.write_text(f"{fronted.olga_shown.certificate.serial_number:x}\n")
        try:
            assert client.post(CHAT, json=chat()).status_code == 401
        finally:
            fronted.denied.unlink()
        assert client.post(CHAT, json=chat()).status_code == 200


def test_a_stream_arrives_word_by_word(fronted: FrontedDoor):
    with (
        fronted.site.through(fronted.olga_shown) as client,
        client.stream("POST", CHAT, json={**chat(kind="stream", pause=True), "stream": True}) as answer,
    ):
        pieces = answer.iter_raw()
        assert b"word" in next(pieces)
        fronted.engine.go_on.set()
        assert b"[DONE]" in b"".join(pieces)
    fronted.engine.go_on.clear()


def test_a_body_that_comes_drop_by_drop_is_given_up(fronted: FrontedDoor):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n".encode()
    with fronted.site.connected(fronted.olga_shown) as stream:
        stream.sendall(head + b"{")
        answer = read(stream)
    assert (answer.status, answer.code) == (408, "too_slow")


@pytest.mark.parametrize(("size", "who"), [(3_000_000, "olga"), (3_000_000, "alice"), (60_000, "alice")])
def test_an_early_refusal_reaches_who_is_still_sending(fronted: FrontedDoor, size: int, who: str):
    shown = fronted.olga_shown if who == "olga" else fronted.site.alice
    wanted = {"olga": 413, "alice": 403}[who]
    body = json.dumps({**chat(), "user": "x" * size})
    for _ in range(20):
        with fronted.site.through(shown) as client:
            assert client.post(CHAT, content=body).status_code == wanted


def test_what_nginx_refuses_is_in_the_audit_log(fronted: FrontedDoor):
    site = fronted.site
    assert site.ask(None).code == "no_certificate"
    assert (
        site.ask(site.alice, b"GET /v1/nothing?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").code == "no_route"
    )
    assert (
        site.ask(site.alice, b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n").status
        == 413
    )
    with socket.create_connection(("127.0.0.1", site.port)) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read(stream).code == "not_tls"
    for reason, kind in (
        ("no_certificate", "tls_fail"),
        ("answered_by_nginx", "refused"),
        ("too_large", "refused"),
        ("not_tls", "tls_fail"),
    ):
        record = fronted.told(reason)
        assert (record["kind"], record["ip"]) == (kind, "127.0.0.1")
    assert fronted.told("answered_by_nginx")["status"] == 404


def test_a_dead_replica_that_another_stands_in_for_is_told_without_a_status(fronted: FrontedDoor):
    site = fronted.site
    site.replicas = 2
    site.reload()
    with site.through(fronted.olga_shown) as client:
        assert {client.post(CHAT, json=chat()).status_code for _ in range(4)} == {200}
    site.replicas = 1
    site.reload()
    assert "status" not in fronted.told("engine_unreachable")
