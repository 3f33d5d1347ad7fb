"""The addresses that the profile takes, and what becomes of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from redis.asyncio import SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import Connection

from deepseek_local.errors import QuotaError
from deepseek_local.profile.front_door import Ledger, LedgerKind
from deepseek_local.profile.handover import LedgerSettings
from deepseek_local.quota import redis_client


def pool(url: str | None):
    settings = LedgerSettings(kind=LedgerKind.REDIS, file=Path("/x"), url=url, password_file=None, timeout_seconds=1.5)
    return redis_client.connect(settings).connection_pool


@pytest.mark.parametrize(
    "url",
    [
        "rediss://quota.site:6379/0?ssl_cert_reqs=none",
        "redis://user:secret@quota.site",
        "redis://quota.site/0#x",
        "unix:///run/redis.sock?db=1",
        "unix://relative.sock",
        "http://quota.site",
        "redis://",
    ],
)
def test_an_address_says_where_and_nothing_else(url):
    with pytest.raises(ValidationError):
        Ledger(kind=LedgerKind.REDIS, url=url)


@pytest.mark.parametrize(
    ("url", "connection", "expected"),
    [
        ("redis://quota.site", Connection, {"host": "quota.site", "port": 6379, "db": 0}),
        ("redis://10.0.0.7:7000/3", Connection, {"host": "10.0.0.7", "port": 7000, "db": 3}),
        ("rediss://[fd00::7]:7000", SSLConnection, {"host": "fd00::7", "port": 7000, "ssl_cert_reqs": "required"}),
        ("unix:///run/redis.sock", UnixDomainSocketConnection, {"path": "/run/redis.sock", "db": 0}),
    ],
)
def test_an_address_is_taken_apart(url, connection, expected):
    assert Ledger(kind=LedgerKind.REDIS, url=url).url == url
    made = pool(url)
    assert made.connection_class is connection
    assert expected.items() <= made.connection_kwargs.items()


@pytest.mark.parametrize("url", [None, "redis://quota.site:99999"])
def test_no_address_and_a_wrong_one_are_told(url):
    with pytest.raises(QuotaError, match=r"gateway\.ledger\.url"):
        pool(url)
