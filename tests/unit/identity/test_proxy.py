"""What the proxy says about a client counts on the Unix socket only, with the key only, and only where it is said once."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.identity.proxy import Proxy

KEY = bytes(range(32))
RIGHT = (b"x-ds-proxy", KEY.hex().encode())
ADDRESS = (b"x-ds-client-ip", b"10.0.0.5")
CERTIFICATE = (b"x-ds-client-cert", b"abc")
UNIX = {"client": None, "server": ("/run/front.sock", None)}
TCP = {"client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000)}


def scope(place: dict[str, Any], *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {**place, "headers": list(headers)}


def test_the_proxy_speaks_for_its_clients():
    origin = Proxy(KEY).origin(scope(UNIX, (b"host", b"x"), RIGHT, ADDRESS, CERTIFICATE))
    assert (origin.address, origin.certificates, origin.is_vouched) == ("10.0.0.5", (b"abc",), True)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"x-ds-proxy", b""),),
        ((b"x-ds-proxy", bytes(32).hex().encode()),),
        ((b"x-ds-proxy", KEY.hex().upper().encode()),),
        ((b"x-ds-proxy", KEY.hex().encode() + b" "),),
        ((b"x-ds-proxy", b"\xff"),),
        ((b"x_ds_proxy", KEY.hex().encode()),),
        (RIGHT, RIGHT),
        (RIGHT, (b"x-ds-proxy", b"")),
    ],
)
def test_without_the_right_key_once_nobody_is_believed(headers: tuple[tuple[bytes, bytes], ...]):
    origin = Proxy(KEY).origin(scope(UNIX, *headers, ADDRESS, CERTIFICATE))
    assert (origin.address, origin.certificates, origin.is_vouched) == ("unix", (b"abc",), False)


def test_where_no_key_is_known_an_empty_one_opens_nothing():
    for value in (b"", b"None", KEY.hex().encode()):
        assert not Proxy(None).origin(scope(UNIX, (b"x-ds-proxy", value))).is_vouched


def test_over_tcp_the_right_key_counts_nothing():
    origin = Proxy(KEY).origin(scope(TCP, RIGHT, ADDRESS, CERTIFICATE))
    assert (origin.address, origin.is_vouched) == ("127.0.0.1", False)


def test_a_client_that_forged_its_end_of_the_connection_is_still_on_the_side_it_came_from():
    forged = ("10.9.9.9", 0)
    assert Proxy(KEY).origin(scope({**UNIX, "client": forged}, ADDRESS)).address == "unix"
    assert not Proxy(KEY).origin(scope({**TCP, "client": None}, RIGHT)).is_vouched
    assert not Proxy(KEY).origin(scope({"client": None, "server": None}, RIGHT)).is_vouched


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (b"10.0.0.5", "10.0.0.5"),
        (b"::ffff:10.0.0.5", "10.0.0.5"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"fe80::1%eth0", "unix"),
        (b"unix:", "unix"),
        (b"", "unix"),
        (b"10.0.0.5, 10.0.0.6", "unix"),
        (b"010.0.0.5", "unix"),
        (b"\xff", "unix"),
        (b"1" * 5_000, "unix"),
    ],
)
def test_the_address_is_an_ip_address_in_its_shortest_form(said: bytes, address: str):
    assert Proxy(KEY).origin(scope(UNIX, RIGHT, (b"x-ds-client-ip", said))).address == address


def test_two_addresses_are_none():
    assert Proxy(KEY).origin(scope(UNIX, RIGHT, ADDRESS, ADDRESS)).address == "unix"


@given(st.lists(st.tuples(st.sampled_from([RIGHT[0], ADDRESS[0], CERTIFICATE[0], b"x"]), st.binary(max_size=50))))
@settings(derandomize=True)
def test_no_headers_of_a_stranger_are_believed(headers: list[tuple[bytes, bytes]]):
    origin = Proxy(KEY).origin(scope(UNIX, *headers))
    assert (origin.address, origin.is_vouched) == ("unix", False)
