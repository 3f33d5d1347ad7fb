"""The token store: private, replaced as a whole, and nothing is lost when two programs write."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepseek_local.errors import IdentityError
from deepseek_local.identity import keys, store, tokens

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.key"


def test_a_created_token_is_stored_as_its_hash_only(path: Path, key_file: Path):
    entry, text = store.create(path, key_file, "u:alice", NOW, NOW + timedelta(days=90))
    assert store.read(path) == (entry,)
    assert entry.hash == tokens.keyed_hash(keys.read(key_file), text)
    assert text.encode()[17:] not in path.read_bytes()
    assert [oct(file.stat().st_mode & 0o777) for file in (path, key_file)] == ["0o600", "0o600"]


def test_a_missing_store_has_no_tokens(path: Path):
    assert store.read(path) == ()


def test_a_token_is_valid_until_it_expires_or_is_revoked(path: Path, key_file: Path):
    entry, _ = store.create(path, key_file, "u:alice", NOW, NOW + timedelta(hours=1))
    assert entry.state(NOW + timedelta(minutes=59)) == "valid"
    assert entry.state(NOW + timedelta(hours=1)) == "expired"
    revoked = store.revoke(path, entry.kid, NOW)
    assert (revoked.state(NOW), revoked.revoked) == ("revoked", NOW)
    assert store.read(path) == (revoked,)


def test_revoking_twice_keeps_the_first_time(path: Path, key_file: Path):
    entry, _ = store.create(path, key_file, "u:alice", NOW)
    store.revoke(path, entry.kid, NOW)
    assert store.revoke(path, entry.kid, NOW + timedelta(days=1)).revoked == NOW


def test_revoking_an_unknown_token_says_so(path: Path):
    with pytest.raises(IdentityError, match="has no token '0123456789ab'"):
        store.revoke(path, "0123456789ab", NOW)


@pytest.mark.parametrize("name", ["alice", "u:Alice", "u:", "x:alice", "u:a b", "u:alice\n"])
def test_a_name_that_is_no_principal_gets_no_token(path: Path, key_file: Path, name: str):
    with pytest.raises(IdentityError, match="is no principal"):
        store.create(path, key_file, name, NOW)
    assert not path.exists()


def test_nobody_gets_a_token_of_the_canary(path: Path, key_file: Path):
    with pytest.raises(IdentityError, match="name another principal"):
        store.create(path, key_file, "s:canary", NOW)
    assert not path.exists()


def test_a_store_that_others_can_read_is_refused(path: Path, key_file: Path):
    store.create(path, key_file, "u:alice", NOW)
    path.chmod(0o640)
    with pytest.raises(IdentityError, match=f"run: chmod 600 {path}"):
        store.read(path)


ENTRY = {
    "kid": "0123456789ab",
    "principal": "u:a",
    "hash": "hmac-sha256:" + "0" * 64,
    "created": "2026-11-24T07:00:00Z",
}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"version": 1,\n "tokens": [,]}', ":2:13: the token store is no JSON"),
        ("", ":1:1: the token store is no JSON"),
        ("[]", "Expected `object`, got `array`"),
        ('{"version": 2, "tokens": []}', "Expected `int` <= 1 - at `$.version`"),
        ({**ENTRY, "kid": "x"}, "at `$.tokens[0].kid`"),
        ({**ENTRY, "kid": "0123456789ab\n"}, "at `$.tokens[0].kid`"),
        ({**ENTRY, "principal": "u:a\n"}, "at `$.tokens[0].principal`"),
        ({**ENTRY, "hash": ENTRY["hash"] + "\n"}, "at `$.tokens[0].hash`"),
        ({**ENTRY, "principal": "admin"}, "at `$.tokens[0].principal`"),
        ({**ENTRY, "created": "2026-11-24T07:00:00"}, "at `$.tokens[0].created`"),
        ({**ENTRY, "scope": "all"}, "unknown field `scope` - at `$.tokens[0]`"),
        (json.dumps({"version": 1, "tokens": [ENTRY, ENTRY]}), "two tokens 0123456789ab"),
        (b'{"version": 1, "tokens": ["\xff"]}', "cannot be understood"),
        ("[" * 100_000, "cannot be understood"),
    ],
)
def test_a_store_that_cannot_be_understood_is_refused_with_the_place(
    path: Path, content: str | bytes | dict[str, str], part: str
):
    if isinstance(content, dict):
        content = json.dumps({"version": 1, "tokens": [content]})
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    with pytest.raises(IdentityError) as caught:
        store.read(path)
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change what belongs to others")
def test_a_store_that_root_changes_still_belongs_to_its_service(path: Path, key_file: Path):
    entry, _ = store.create(path, key_file, "u:alice", NOW)
    os.chown(path, 1234, 4321)
    store.revoke(path, entry.kid, NOW)
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 4321, 0o600)


def test_a_store_grows_no_larger_than_can_be_read(path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch):
    store.create(path, key_file, "u:alice", NOW)
    content = path.read_bytes()
    monkeypatch.setattr(store, "MAXIMUM_BYTES", len(content))
    with pytest.raises(IdentityError, match="is full with 2 tokens"):
        store.create(path, key_file, "u:bob", NOW)
    assert path.read_bytes() == content
    assert len(store.read(path)) == 1
    monkeypatch.setattr(store, "MAXIMUM_BYTES", len(content) - 1)
    with pytest.raises(IdentityError, match="has more than"):
        store.read(path)


def test_two_programs_that_create_tokens_lose_none(path: Path, key_file: Path):
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from deepseek_local.identity import store\n"
        "for _ in range(20): store.create(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], datetime.now(UTC))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(key_file), principal])
        for principal in ("u:alice", "u:bob")
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(token.principal for token in store.read(path)) == ["u:alice"] * 20 + ["u:bob"] * 20


def test_a_key_is_made_once(key_file: Path):
    key = keys.ensure(key_file)
    assert len(key) == 32
    assert keys.ensure(key_file) == key
    assert [file.name for file in key_file.parent.iterdir()] == [key_file.name]


def test_a_key_that_is_open_short_or_missing_is_refused(key_file: Path):
    with pytest.raises(IdentityError, match="cannot be read"):
        keys.read(key_file)
    key_file.write_bytes(b"short")
    with pytest.raises(IdentityError, match="run: chmod 600"):
        keys.read(key_file)
    key_file.chmod(0o600)
    with pytest.raises(IdentityError, match="does not have 32 bytes"):
        keys.read(key_file)


def test_a_token_keeps_its_roles_and_its_tenant(path: Path, key_file: Path):
    entry, _ = store.create(
        path, key_file, "u:alice", NOW, roles=("operator", "analyst", "operator"), tenant="research"
    )
    assert (entry.roles, entry.tenant) == (("analyst", "operator"), "research")
    plain, _ = store.create(path, key_file, "u:bob", NOW)
    assert (plain.roles, plain.tenant) == (None, None)
    assert store.read(path) == (entry, plain)


@pytest.mark.parametrize("tenant", ["", "Research", "a b", "a\n"])
def test_a_name_that_is_no_tenant_gets_no_token(path: Path, key_file: Path, tenant: str):
    with pytest.raises(IdentityError, match="is no tenant"):
        store.create(path, key_file, "u:alice", NOW, tenant=tenant)
    assert not path.exists()


@pytest.mark.parametrize("fields", [{"roles": []}, {"roles": ["Admin"]}, {"roles": "admin"}, {"tenant": "A"}])
def test_odd_roles_and_tenants_are_refused(path: Path, fields: dict[str, object]):
    path.write_text(json.dumps({"version": 1, "tokens": [{**ENTRY, **fields}]}))
    path.chmod(0o600)
    with pytest.raises(IdentityError, match="cannot be understood"):
        store.read(path)


HOUR = timedelta(hours=1)


def test_a_rotated_token_passes_its_rights_on_and_ends_after_the_overlap(path: Path, key_file: Path):
    first, _ = store.create(path, key_file, "u:alice", NOW, NOW + 10 * HOUR, roles=("operator",), tenant="research")
    old, new, text = store.rotate(path, key_file, first.kid, NOW + 4 * HOUR, overlap=HOUR)
    assert (new.principal, new.roles, new.tenant) == (old.principal, old.roles, old.tenant)
    assert (old.kid, old.expires) == (first.kid, NOW + 5 * HOUR)
    assert (new.created, new.expires) == (NOW + 4 * HOUR, NOW + 14 * HOUR)
    assert tokens.keyed_hash(keys.read(key_file), text) == new.hash
    assert store.read(path) == (old, new)


def test_a_token_without_end_is_followed_by_one_unless_an_end_is_named(path: Path, key_file: Path):
    first, _ = store.create(path, key_file, "u:alice", NOW)
    old, second, _ = store.rotate(path, key_file, first.kid, NOW, overlap=HOUR)
    assert (old.expires, second.expires) == (NOW + HOUR, None)
    _, third, _ = store.rotate(path, key_file, second.kid, NOW, overlap=HOUR, expires=NOW + 3 * HOUR)
    assert third.expires == NOW + 3 * HOUR


def test_an_overlap_makes_no_token_live_longer(path: Path, key_file: Path):
    first, _ = store.create(path, key_file, "u:alice", NOW, NOW + HOUR)
    old, _, _ = store.rotate(path, key_file, first.kid, NOW, overlap=9 * HOUR)
    assert old.expires == NOW + HOUR


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_a_token_that_is_over_has_nothing_to_pass_on(path: Path, key_file: Path, state: str):
    first, _ = store.create(path, key_file, "u:alice", NOW, NOW + HOUR)
    if state == "revoked":
        store.revoke(path, first.kid, NOW)
    before = path.read_bytes()
    with pytest.raises(IdentityError, match=f"is {state}, so it has no rights to pass on"):
        store.rotate(path, key_file, first.kid, NOW + HOUR, overlap=HOUR)
    assert path.read_bytes() == before
