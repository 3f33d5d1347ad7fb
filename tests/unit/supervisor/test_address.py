import pytest

from deepseek_local.errors import ClientError
from deepseek_local.supervisor.address import Address


@pytest.mark.parametrize(
    ("url", "base", "socket"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", None),
        ("https://gpu01/v1/", "https://gpu01", None),
        ("unix:/run/front.sock", "http://localhost", "/run/front.sock"),
        ("unix:///run/front.sock", "http://localhost", "/run/front.sock"),
    ],
)
def test_both_forms_of_address_are_understood(url: str, base: str, socket: str | None) -> None:
    assert Address.parse(url) == Address(url, base, socket)


BAD_ADDRESSES = [
    *("", "unix:", "gpu01:8000", "file:///etc/passwd", "http://user:password@gpu01", "http:///v1"),
    *("http://gpu01:port", "http://[::1", "http://gpu01:8000\n"),
]


@pytest.mark.parametrize("url", BAD_ADDRESSES)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ClientError, match="is not an address of the front door"):
        Address.parse(url)
