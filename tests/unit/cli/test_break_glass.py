"""`deepseek-local policy break-glass`: given for a while, listed while it counts, withdrawn at once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.policy import break_glass

GRANT = ["policy", "break-glass", "grant", "u:alice", "admin", "--for", "2h", "--reason", "the engine hangs"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    return tmp_path


def active(home: Path) -> tuple[break_glass.EmergencyGrant, ...]:
    return break_glass.read(home / "break-glass.json", datetime.now(UTC))


def test_a_grant_counts_for_as_long_as_was_said(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(GRANT) == ExitCode.OK
    (entry,) = active(home)
    assert (entry.principal, entry.role, entry.reason) == ("u:alice", "admin", "the engine hangs")
    assert entry.until - entry.since == timedelta(hours=2)
    assert entry.by.startswith("os:")
    output = capsys.readouterr()
    assert output.out.startswith(f"EMERGENCY GRANT {entry.id}: u:alice has the role admin until ")
    assert "no audit log takes a record" in output.err


def test_the_list_knows_what_counts_now(home: Path, capsys: pytest.CaptureFixture[str]):
    run([*GRANT, "--tenant", "radiology", "--format", "json"])
    given = json.loads(capsys.readouterr().out)
    assert run(["policy", "break-glass", "list", "--format", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == [given]
    assert given["tenant"] == "radiology"
    assert run(["policy", "break-glass", "withdraw", given["id"]]) == ExitCode.OK
    assert active(home) == ()
    capsys.readouterr()
    run(["policy", "break-glass", "list"])
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"--for": "9h"}, "at most 8:00:00"),
        ({"--reason": "short"}, "reason"),
        ({"admin": "amdin"}, "the policy has no role 'amdin'; name one of admin, analyst, canary, operator"),
        ({"u:alice": "alice"}, "principal"),
        ({"u:alice": "s:canary"}, "name another principal"),
    ],
)
def test_what_cannot_be_answered_for_is_not_given(
    home: Path, changes: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
):
    words = list(GRANT)
    for name, value in changes.items():
        words[words.index(name) + name.startswith("--")] = value
    assert run(words) == ExitCode.PREFLIGHT_REFUSED
    assert told in capsys.readouterr().err
    assert not (home / "break-glass.json").exists()


@pytest.mark.parametrize("option", ["--for", "--reason"])
def test_no_grant_without_an_end_and_a_reason(home: Path, option: str):
    words = [*GRANT[: GRANT.index(option)], *GRANT[GRANT.index(option) + 2 :]]
    assert run(words) == ExitCode.USAGE
    assert active(home) == ()


def test_a_broken_policy_is_no_reason_to_refuse_an_emergency(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "broken.csv").write_text("p, operator\n")
    assert run([*GRANT, "--set", "gateway.policy=[broken.csv]"]) == ExitCode.OK
    assert "The policy cannot be used, so nobody knows what admin may do" in capsys.readouterr().err
    assert len(active(home)) == 1


def test_what_was_never_given_cannot_be_withdrawn(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "break-glass", "withdraw", "00000000"]) == ExitCode.PREFLIGHT_REFUSED
    assert f"{home / 'break-glass.json'}: has no grant '00000000'" in capsys.readouterr().err
