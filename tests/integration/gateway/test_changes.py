"""Changes that take effect without a restart: tokens, the policy, draining."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from deepseek_local.identity import store
from tests.integration.gateway.conftest import USERS, Door, wait_until

pytestmark = pytest.mark.integration


def status(door: Door, token: str) -> int:
    return door.ask(token).status_code


@pytest.fixture(autouse=True)
def _private_store(door: Door) -> Iterator[None]:
    yield
    door.store.chmod(0o600)
    wait_until(lambda: status(door, door.olga) == 200, "the store and the policy are as before", 2)


def test_a_token_counts_soon_after_it_was_created_and_no_longer_soon_after_it_was_revoked(door: Door):
    door.policy.write_text(USERS + "g, u:new, operator\n")
    token = door.create("u:new")
    wait_until(lambda: status(door, token) == 200, "the token counts", 1)
    store.revoke(door.store, token[4:16], datetime.now(UTC))
    wait_until(lambda: status(door, token) == 401, "the token is revoked", 1)


def test_a_store_that_was_changed_is_on_record_before_the_first_decision_under_it(door: Door):
    status(door, door.olga)
    before = _digest(door)
    token = door.create("u:olga")
    wait_until(lambda: status(door, token) == 200, "the token counts", 1)
    records = door.sequencer.records()
    (load,) = [one for one in records if one.get("digest") == _digest(door)]
    assert (load["kind"], load["act"], load["obj"], load["before"]) == ("identity_load", "loaded", "tokens", before)
    assert load["attr"] == {"added": [token[4:16]]}
    first = next(one for one in records if one.get("sub", {}).get("kid") == token[4:16])
    assert load["seq"] < first["seq"]
    # Each API server process tells for itself, and the kernel says which.
    assert load["pid"] == first["pid"]


def _digest(door: Door) -> str:
    return f"sha256:{hashlib.sha256(door.store.read_bytes()).hexdigest()}"


def test_an_expired_token_is_nobody(door: Door):
    token = door.create("u:olga", datetime.now(UTC) - timedelta(seconds=1))
    alive = door.create("u:olga", datetime.now(UTC) + timedelta(hours=1))
    wait_until(lambda: status(door, alive) == 200, "the store is read again", 1)
    assert status(door, token) == 401


def test_a_store_that_others_can_read_lets_only_the_canary_in(door: Door):
    door.store.chmod(0o644)
    wait_until(lambda: status(door, door.olga) == 503, "tokens are refused", 1)
    response = door.ask(door.olga)
    assert (response.headers["retry-after"], response.json()["error"]["code"]) == ("5", "no_identities")
    assert door.decision(response)["reason"] == "no_identities"
    refused = [one for one in door.sequencer.records() if one["kind"] == "identity_load" and one["act"] == "refused"]
    assert (refused[-1]["obj"], refused[-1]["before"]) == ("tokens", _digest(door))
    assert "chmod 600" in refused[-1]["reason"]
    assert status(door, door.canary) == 200
    assert door.ask(None, "GET", "/health").status_code == 200


def test_a_changed_policy_is_in_force_soon_and_recorded(door: Door):
    assert status(door, door.ann) == 403
    door.policy.write_text(USERS.replace("u:ann, analyst", "u:ann, operator"))
    wait_until(lambda: status(door, door.ann) == 200, "the new policy is in force", 1)
    digest = door.decision(door.ask(door.ann))["pol"]
    assert digest in [record["pol"] for record in door.sequencer.records() if record["kind"] == "policy_load"]


@pytest.mark.parametrize("mistake", ["p, broken\n", "g, u:olga, nosuchrole\n", "\xff"])
def test_a_broken_policy_changes_nothing(door: Door, mistake: str):
    before = door.decision(door.ask(door.olga))["pol"]
    door.policy.write_text(mistake, encoding="latin-1")
    # A token created afterwards counts: the door has looked at its files since.
    token = door.create("u:olga")
    wait_until(lambda: status(door, token) == 200, "the files are looked at", 1)
    assert door.decision(door.ask(door.olga))["pol"] == before


@pytest.mark.parametrize("asked", ["not stream", "model != 'x'"])
def test_a_form_is_not_read_so_what_it_asks_for_is_unknown(door: Door, asked: str):
    rules = f"p, listener, inference_audio, execute, {asked}\np, listener, model_list, read\n"
    door.policy.write_text(f"{USERS}{rules}g, u:lisa, listener\n")
    token = door.create("u:lisa")
    wait_until(lambda: door.ask(token, "GET", "/v1/models").status_code == 200, "the new policy is in force", 1)
    form = {"path": "/v1/audio/transcriptions", "files": {"file": b"RIFF"}, "data": {"stream": "true"}}
    assert door.ask(token, **form).status_code == 403
    assert door.ask(door.olga, **form).status_code == 200


def test_while_draining_everything_but_health_is_refused(door: Door):
    door.drain_file.touch()
    wait_until(lambda: status(door, door.olga) == 503, "the door drains", 1)
    for response in (door.ask(door.olga), door.ask(None, "GET", "/v1/models"), door.ask(door.canary)):
        assert (response.status_code, response.headers["retry-after"], response.json()["error"]["code"]) == (
            503,
            "10",
            "draining",
        )
        assert door.decision(response)["reason"] == "draining"
    assert door.ask(None, "GET", "/health").status_code == 200
    door.drain_file.unlink()
    wait_until(lambda: status(door, door.olga) == 200, "the door is open again", 1)
