"""Whom a certificate may name."""

import ipaddress

import pytest
from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.pki import names


def test_a_person_and_a_service_have_an_identity_of_the_site() -> None:
    assert names.principal("u:alice", "hospital.example").value == "spiffe://hospital.example/user/alice"
    assert names.principal("s:batch", "hospital.example").value == "spiffe://hospital.example/service/batch"


@pytest.mark.parametrize("text", ["alice", "u:Alice", "u:", "u:a/../b", "admin", "s:canary", "u:a\n", "u:é", "x:alice"])
def test_nobody_else_has_one(text: str) -> None:
    with pytest.raises(PKIError, match="write u:alice"):
        names.principal(text, "hospital.example")


@pytest.mark.parametrize("text", ["", "Hospital", "a b", "-a.example", "a..b", "a" * 254, "x/y", "hospital.example\n"])
def test_a_site_is_a_host_name(text: str) -> None:
    with pytest.raises(PKIError, match="lower-case host name"):
        names.site(text)


def test_a_server_has_host_names_and_addresses_each_once() -> None:
    given = ["api.hospital.example", "10.0.0.5", "fd00::5", "*.hospital.example", "10.0.0.5"]
    assert names.server(given) == (
        x509.DNSName("api.hospital.example"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.5")),
        x509.IPAddress(ipaddress.ip_address("fd00::5")),
        x509.DNSName("*.hospital.example"),
    )


@pytest.mark.parametrize(
    "text", ["", "API.example", "a b", "10.0.0.256", "1.2", "a.*.b", "http://a", "a:443", "a\x00b"]
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(PKIError, match="neither a host name nor an address"):
        names.server([text])


def test_a_server_without_a_name_is_refused() -> None:
    with pytest.raises(PKIError, match="needs a name"):
        names.server([])
