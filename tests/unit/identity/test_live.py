"""Who holds a token, now: created and revoked ones count at the next look, and an unusable store knows nobody."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepseek_local.access import Principal
from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity import keys, store, tokens
from deepseek_local.identity.live import LiveTokens
from deepseek_local.identity.use import TokenUse, last_use

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)


class Deployment:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "tokens.json"
        self.key_file = directory / "tokens.key"
        self.key = keys.ensure(self.key_file)
        self.canary = tokens.mint()[1]
        self.local = tokens.mint()[1]

    def create(self, principal: str = "u:alice", expires: datetime | None = None) -> str:
        return store.create(self.path, self.key_file, principal, NOW, expires)[1]

    def live(self, interval_seconds: float = 0) -> LiveTokens:
        internal = {
            "s:canary": tokens.keyed_hash(self.key, self.canary),
            "u:demo": tokens.keyed_hash(self.key, self.local),
        }
        return LiveTokens(self.path, self.key, internal, Watch([self.path], interval_seconds))


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


def test_a_token_names_its_principal(deployment: Deployment):
    text = deployment.create()
    assert deployment.live().identify(text, NOW) == Principal("u:alice", "token", text[4:16])


def test_a_token_created_later_is_known(deployment: Deployment):
    live = deployment.live()
    text = deployment.create()
    assert live.identify(text, NOW) is not None


def test_a_revoked_token_is_nobody(deployment: Deployment):
    text = deployment.create()
    live = deployment.live()
    assert live.identify(text, NOW) is not None
    store.revoke(deployment.path, text[4:16], NOW)
    assert live.identify(text, NOW) is None


def test_an_expired_token_is_nobody(deployment: Deployment):
    text = deployment.create(expires=NOW + timedelta(hours=1))
    live = deployment.live()
    assert live.identify(text, NOW) is not None
    assert live.identify(text, NOW + timedelta(hours=1)) is None


def test_the_right_identifier_with_another_secret_is_nobody(deployment: Deployment):
    text = deployment.create()
    other = tokens.mint()[1]
    assert deployment.live().identify(text[:17] + other[17:], NOW) is None
    assert deployment.live().identify(other, NOW) is None
    assert deployment.live().identify("", NOW) is None


def test_a_token_with_another_character_or_more_of_them_is_nobody(deployment: Deployment):
    live, texts = deployment.live(), (deployment.create(), deployment.local)
    for text in texts:
        changed = [
            text[:place] + ("b" if text[place] == "a" else "a") + text[place + 1 :] for place in range(len(text))
        ]
        for wrong in (*changed, text + "\n", text + "A", " " + text, text[:-1], text.upper(), "", "dsk_"):
            assert live.identify(wrong, NOW) is None


def test_an_entry_copied_under_another_identifier_opens_nothing(deployment: Deployment):
    text = deployment.create()
    content = json.loads(deployment.path.read_text())
    content["tokens"].append({**content["tokens"][0], "kid": "0" * 12})
    deployment.path.write_text(json.dumps(content))
    live = deployment.live()
    assert live.identify(text, NOW) == Principal("u:alice", "token", text[4:16])
    store.revoke(deployment.path, text[4:16], NOW)
    assert live.identify(text, NOW) is None


def test_a_token_hashed_under_another_key_is_nobody(deployment: Deployment):
    text = deployment.create()
    assert LiveTokens(deployment.path, bytes(32), {}).identify(text, NOW) is None


def test_tokens_of_this_start_are_known_without_the_store(deployment: Deployment):
    live = deployment.live()
    canary, local = live.identify(deployment.canary, NOW), live.identify(deployment.local, NOW)
    assert canary == Principal("s:canary", "canary", deployment.canary[4:16])
    assert local == Principal("u:demo", "token", deployment.local[4:16])


@pytest.mark.parametrize("fault", ["open", "malformed", "directory", "fifo"])
def test_an_unusable_store_knows_nobody_but_the_tokens_of_this_start(
    deployment: Deployment, fault: str, caplog: pytest.LogCaptureFixture
):
    text = deployment.create()
    live = deployment.live()
    assert live.identify(text, NOW) is not None
    if fault == "open":
        deployment.path.chmod(0o644)
    elif fault == "malformed":
        deployment.path.write_text("{")
    elif fault == "directory":
        deployment.path.unlink()
        deployment.path.mkdir()
    else:
        deployment.path.unlink()
        os.mkfifo(deployment.path, 0o600)
    for _ in range(3):
        with pytest.raises(IdentityError):
            live.identify(text, NOW)
    assert live.identify(deployment.canary, NOW) is not None
    assert caplog.text.count("tokens are refused with 503 until this is mended") == 1


def test_a_mended_store_is_used_again(deployment: Deployment):
    text = deployment.create()
    live = deployment.live()
    deployment.path.chmod(0o644)
    with pytest.raises(IdentityError):
        live.identify(text, NOW)
    deployment.path.chmod(0o600)
    assert live.identify(text, NOW) is not None


def test_a_removed_store_has_no_tokens(deployment: Deployment):
    text = deployment.create()
    live = deployment.live()
    deployment.path.unlink()
    assert live.identify(text, NOW) is None


def test_a_start_with_an_unusable_store_is_refused(deployment: Deployment):
    deployment.create()
    deployment.path.chmod(0o644)
    with pytest.raises(IdentityError, match="chmod 600"):
        deployment.live()


def test_the_use_of_a_token_in_the_store_is_noted(deployment: Deployment, tmp_path: Path):
    text = deployment.create()
    internal = {"u:demo": tokens.keyed_hash(deployment.key, deployment.local)}
    live = LiveTokens(deployment.path, deployment.key, internal, use=TokenUse(tmp_path / "used"))
    live.identify(tokens.mint()[1], NOW)
    live.identify(text[:-1] + ("A" if text[-1] != "A" else "B"), NOW)
    live.identify(deployment.local, NOW)
    assert not (tmp_path / "used").exists()
    live.identify(text, NOW)
    assert last_use(tmp_path / "used", text[4:16]) == NOW


def test_roles_and_tenant_of_a_token_are_the_principals(deployment: Deployment):
    _, text = store.create(deployment.path, deployment.key_file, "u:alice", NOW, roles=("operator",), tenant="research")
    principal = deployment.live().identify(text, NOW)
    assert principal is not None
    assert (principal.roles, principal.tenant) == (frozenset(("operator",)), "research")
