"""
A connection to Redis as the settings describe it: TCP, TLS whose certificate is verified, or a Unix socket.

The address is taken apart here, not by redis-py, which lets what stands behind a `?` in it overrule everything, the checks of TLS included.
"""

import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from deepseek_local.errors import QuotaError
from deepseek_local.files import is_private
from deepseek_local.profile.handover import LedgerSettings


def connect(settings: LedgerSettings) -> Redis:
    """Return a client that connects when it is used. Raises `QuotaError`, and `OSError` for a password that cannot be read."""
    if settings.url is None:
        raise QuotaError("the quota ledger is Redis but has no address; set gateway.ledger.url")
    address = _taken_apart(settings.url)
    is_socket = address.scheme == "unix"
    return Redis(
        host=address.hostname or "localhost",
        port=address.port or 6379,
        unix_socket_path=address.path if is_socket else None,
        db=0 if is_socket else int(address.path.strip("/") or 0),
        password=_password(settings.password_file),
        socket_timeout=settings.timeout_seconds,
        socket_connect_timeout=settings.timeout_seconds,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        # Verified against the authorities that the host trusts.
        ssl=address.scheme == "rediss",
        ssl_cert_reqs="required",
        ssl_check_hostname=True,
        ssl_min_version=ssl.TLSVersion.TLSv1_2,
    )


def unusable(settings: LedgerSettings, error: Exception) -> str:
    """Say what is wrong with the server, and what to do about it."""
    if isinstance(error, (TimeoutError, RedisTimeoutError)):
        return (
            f"the quota ledger {settings.url} did not answer within {settings.timeout_seconds:g} s; "
            "look at the load of the Redis server and at the network"
        )
    remedy = "start the Redis server, or mend gateway.ledger.url"
    if wants_password(error):
        remedy = "put the password of the Redis server into the file of gateway.ledger.password_file"
    return f"the quota ledger {settings.url} cannot be used ({error}); {remedy}"


def is_refusal(error: Exception) -> bool:
    """Whether the server, which is there, does not do what it is asked: for want of a password, or as a mere replica."""
    return isinstance(error, ResponseError) or wants_password(error)


def wants_password(error: Exception) -> bool:
    """Whether the server refused us for want of the right password."""
    # The client wraps what happens while it connects; a long command without a password is refused before it is read.
    told = isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError)
    return told or "unauthenticated" in str(error)


def _taken_apart(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        _ = address.port
    except ValueError as error:
        raise QuotaError(
            f"the address {url} of the quota ledger is wrong ({error}); mend gateway.ledger.url"
        ) from error
    return address


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    if not is_private(file):
        raise QuotaError(f"the password file {file} can be read or written by others; run: chmod 600 {file}")
    try:
        return file.read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise QuotaError(
            f"the password file {file} is not text in UTF-8; write the password of the Redis server into it"
        ) from error
