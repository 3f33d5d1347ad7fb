"""Who is let in: right credentials always, all others with 401, and with 429 while their address is banned."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from certificates import SITE, Authority

from deepseek_local.access import Principal
from deepseek_local.errors import IdentityError
from deepseek_local.gateway.authenticate import Authenticator
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.identity import keys, store, tokens
from deepseek_local.profile.front_door import Bans, LedgerKind, Limits
from deepseek_local.profile.handover import CertificateSettings, GatewaySettings, LedgerSettings

PROXY_KEY = "proxy.key"


class Door:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.proxy_key = keys.ensure(home / PROXY_KEY)
        key = keys.ensure(home / "tokens.key")
        self.store = home / "tokens.json"
        self.token = store.create(self.store, home / "tokens.key", "u:alice", datetime.now(UTC))[1]
        self.canary = tokens.mint()[1]
        self.settings = GatewaySettings(
            policy_files=(),
            break_glass_file=home / "break-glass.json",
            tokens_file=self.store,
            tokens_key_file=home / "tokens.key",
            internal_tokens={"s:canary": tokens.keyed_hash(key, self.canary)},
            token_use_directory=home / "tokens.used",
            proxy_key_file=home / PROXY_KEY,
            bans=Bans(failures=3, seconds=30),
            audit_socket=home / "audit.sock",
            audit_timeout_seconds=1.0,
            digest_keys=home / "digest-keys",
            drain_file=home / "draining",
            limits=Limits(),
            ledger=LedgerSettings(
                kind=LedgerKind.SQLITE, file=home / "quota.db", url=None, password_file=None, timeout_seconds=1.0
            ),
            salt_key_file=home / "salt.key",
            served_models=("demo",),
            max_model_len=2048,
            node="test",
        )

    def scope(self, token: str | None = None, address: str = "10.0.0.5") -> dict[str, Any]:
        headers = [(b"x-ds-proxy", self.proxy_key.hex().encode()), (b"x-ds-client-ip", address.encode())]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        return {"client": None, "server": ("/run/front.sock", None), "headers": headers}


def identify(authenticator: Authenticator, scope: dict[str, Any]) -> Principal:
    return authenticator.identify(scope["headers"], authenticator.origin(scope))


def _is_known(authenticator: Authenticator, scope: dict[str, Any]) -> bool:
    try:
        identify(authenticator, scope)
    except RefusedError:
        return False
    return True


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def refused(authenticator: Authenticator, scope: dict[str, Any]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        identify(authenticator, scope)
    return caught.value.refusal


def test_a_right_token_is_its_principal_and_leaves_the_time_of_its_use(door: Door):
    assert identify(Authenticator(door.settings), door.scope(door.token)).name == "u:alice"
    assert (door.home / "tokens.used" / door.token[4:16]).exists()


def test_who_guesses_is_banned_and_who_is_right_at_the_same_address_is_not(door: Door):
    authenticator = Authenticator(door.settings)
    guess = door.scope(tokens.mint()[1])
    assert [refused(authenticator, guess).status for _ in range(3)] == [401] * 3
    banned = refused(authenticator, guess)
    assert (banned.status, banned.reason, banned.kind) == (429, "banned", "rate_limit_error")
    assert banned.retry_after_seconds in {29, 30}
    assert identify(authenticator, door.scope(door.token)).name == "u:alice"
    assert identify(authenticator, door.scope(door.canary)).source == "canary"
    assert refused(authenticator, door.scope(address="10.0.0.6")).status == 401


def test_an_attacker_who_names_a_user_locks_nobody_out(door: Door):
    authenticator = Authenticator(door.settings)
    named = door.token[:17] + tokens.mint()[1][17:]
    assert [refused(authenticator, door.scope(named)).status for _ in range(6)] == [401] * 3 + [429] * 3
    assert identify(authenticator, door.scope(door.token)).key_id == door.token[4:16]


def test_suppressed_refusals_are_told_once(door: Door):
    authenticator = Authenticator(door.settings)
    for _ in range(5):
        refused(authenticator, door.scope())
    assert authenticator.take_suppressed() == []
    (told,) = authenticator.take_suppressed(everything=True)
    assert (told.address, told.count) == ("10.0.0.5", 2)
    assert authenticator.take_suppressed(everything=True) == []


def test_an_unusable_store_is_503_and_bans_nobody(door: Door):
    authenticator = Authenticator(door.settings)
    unknown = door.scope(tokens.mint()[1])
    door.store.chmod(0o644)
    deadline = time.monotonic() + 10
    while _is_known(authenticator, door.scope(door.token)):
        assert time.monotonic() < deadline
    assert [refused(authenticator, unknown).status for _ in range(9)] == [503] * 9
    with pytest.raises(IdentityError):
        Authenticator(door.settings)


def test_the_refusal_says_why_without_what_was_shown(door: Door):
    message = refused(Authenticator(door.settings), door.scope("dsk_secret")).message
    assert message.endswith("(the token is unknown, expired or revoked)")
    assert "secret" not in message


def test_a_certificate_needs_the_proxys_key(door: Door):
    authority = Authority(now=datetime.now(UTC))
    (door.home / "clients.pem").write_bytes(authority.pem)
    chosen = CertificateSettings(
        site=SITE, issuer_files=(door.home / "clients.pem",), denied_serials_file=door.home / "denied"
    )
    authenticator = Authenticator(door.settings.model_copy(update={"certificates": chosen}))
    scope = door.scope()
    scope["headers"].append((b"x-ds-client-cert", authority.issue().escaped))
    assert identify(authenticator, scope).name == "u:alice"
    del scope["headers"][0]
    assert refused(authenticator, scope).status == 401
