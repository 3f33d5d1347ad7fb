"""`deepseek-local token`: the token is shown once on stdout, all talk goes to stderr, and no list knows a secret."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.identity import keys, store, tokens
from deepseek_local.identity.use import TokenUse


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(home))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    return home


def test_create_prints_the_token_alone_on_stdout(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["token", "create", "u:demo", "--expires", "90d"]) == ExitCode.OK
    output = capsys.readouterr()
    (entry,) = store.read(home / "tokens.json")
    assert tokens.keyed_hash(keys.read(home / "tokens.key"), output.out.strip()) == entry.hash
    assert entry.expires is not None
    assert (entry.expires - entry.created).days == 90
    assert f"Token {entry.kid} of u:demo, valid until " in output.err
    assert output.out.strip() not in output.err


@pytest.mark.usefixtures("home")
def test_create_hints_at_a_principal_without_a_role(capsys: pytest.CaptureFixture[str]):
    assert run(["token", "create", "u:alice"]) == ExitCode.OK
    assert "u:alice has no role yet: add a line such as `g, u:alice, operator`" in capsys.readouterr().err
    assert run(["token", "create", "u:demo"]) == ExitCode.OK
    assert "has no role" not in capsys.readouterr().err


def test_create_tells_a_newcomer_which_file_to_write(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["token", "create", "u:alice", "--profile", "a100x1"]) == ExitCode.OK
    said = capsys.readouterr().err
    assert f"{home / 'users.csv'} does not exist, create it with the line `g, u:alice, operator`." in said


@pytest.mark.usefixtures("home")
def test_list_shows_states_and_no_secret(capsys: pytest.CaptureFixture[str]):
    run(["token", "create", "u:demo"])
    secret = capsys.readouterr().out.strip()
    run(["token", "create", "s:batch"])
    kid = secret[4:16]
    capsys.readouterr()
    assert run(["token", "revoke", kid]) == ExitCode.OK
    assert run(["token", "list"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert [line.split()[-1] for line in text.splitlines()[-3:]] == ["STATE", "revoked", "valid"]
    assert secret[17:] not in text
    assert "hmac" not in text


@pytest.mark.usefixtures("home")
def test_the_list_as_json_has_the_same_fields(capsys: pytest.CaptureFixture[str]):
    run(["token", "create", "u:demo", "--format", "json"])
    created = json.loads(capsys.readouterr().out)
    assert created.pop("token").startswith(f"dsk_{created['kid']}_")
    run(["token", "list", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == [created]


@pytest.mark.parametrize("duration", ["90", "0d", "-1d", "1y", "1.5d", "999999d"])
def test_a_duration_that_cannot_be_read_is_a_usage_error(home: Path, duration: str):
    assert run(["token", "create", "u:demo", f"--expires={duration}"]) == ExitCode.USAGE
    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_a_name_that_is_no_principal_is_refused(capsys: pytest.CaptureFixture[str]):
    assert run(["token", "create", "alice"]) == ExitCode.PREFLIGHT_REFUSED
    assert "'alice' is no principal; write u:NAME" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_an_unknown_identifier_is_refused(capsys: pytest.CaptureFixture[str]):
    run(["token", "create", "u:demo"])
    assert run(["token", "revoke", "000000000000"]) == ExitCode.PREFLIGHT_REFUSED
    assert "has no token '000000000000'" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_token_carries_no_role_that_its_owner_does_not_have(capsys: pytest.CaptureFixture[str]):
    assert run(["token", "create", "u:demo", "--role", "admin"]) == ExitCode.PREFLIGHT_REFUSED
    output = capsys.readouterr()
    assert output.out == ""
    assert "u:demo does not have the role admin (it has: " in output.err


def test_a_token_may_carry_less_than_its_owner_has(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["token", "create", "u:demo", "--role", "operator", "--tenant", "research"]) == ExitCode.OK
    (entry,) = store.read(home / "tokens.json")
    assert (entry.roles, entry.tenant) == (("operator",), "research")
    capsys.readouterr()
    run(["token", "list"])
    assert "operator" in (line := capsys.readouterr().out.splitlines()[-1])
    assert "research" in line


@pytest.mark.usefixtures("home")
def test_where_the_policy_cannot_be_read_nobody_gets_a_token_with_roles(capsys: pytest.CaptureFixture[str]):
    assert (
        run(["token", "create", "u:alice", "--role", "operator", "--profile", "a100x1"]) == ExitCode.PREFLIGHT_REFUSED
    )
    assert "users.csv" in capsys.readouterr().err


def test_rotate_prints_the_new_token_alone_and_says_until_when_the_old_one_counts(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    run(["token", "create", "u:demo", "--expires", "90d"])
    kid = capsys.readouterr().out.strip()[4:16]
    assert run(["token", "rotate", kid, "--overlap", "2h"]) == ExitCode.OK
    output = capsys.readouterr()
    old, new = store.read(home / "tokens.json")
    assert tokens.keyed_hash(keys.read(home / "tokens.key"), output.out.strip()) == new.hash
    assert old.expires is not None
    assert f"Token {kid} is valid until {old.expires:%Y-%m-%dT%H:%M:%SZ}." in output.err
    assert (old.expires - new.created).total_seconds() == 7200


def test_the_list_shows_the_last_use(home: Path, capsys: pytest.CaptureFixture[str]):
    run(["token", "create", "u:demo"])
    kid = capsys.readouterr().out.strip()[4:16]
    TokenUse(home / "tokens.used").note(kid, datetime(2026, 11, 24, 7, 0, tzinfo=UTC))
    run(["token", "list", "--format", "json"])
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["last_use"] == "2026-11-24T07:00:00Z"
