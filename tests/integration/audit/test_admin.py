"""Commands that change tokens leave a record in the log of the running deployment, or say that there is none."""

import signal

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.identity import store

pytestmark = pytest.mark.integration


@pytest.fixture
def home(sequencer, tmp_path, monkeypatch):
    """A home whose runtime directory is the sequencer's."""
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(sequencer.place))
    return tmp_path / "home"


def test_creating_and_revoking_a_token_is_on_record(home, sequencer, capsys):
    sequencer.start()
    assert run(["token", "create", "u:demo"]) == ExitCode.OK
    secret = capsys.readouterr().out.strip()
    (entry,) = store.read(home / "tokens.json")
    assert run(["token", "revoke", entry.kid]) == ExitCode.OK
    changes = [record for record in sequencer.records() if record["kind"] == "admin"]
    assert [record["act"] for record in changes] == ["token_create", "token_revoke"]
    assert all(record["attr"] == {"kid": entry.kid, "principal": "u:demo"} for record in changes)
    assert changes[0]["sub"]["id"].startswith("os:")
    assert not any(secret in segment.read_text() for segment in sequencer.segments())


def test_rotating_a_token_says_which_one_follows_which(home, sequencer):
    sequencer.start()
    run(["token", "create", "u:demo", "--role", "operator", "--tenant", "research"])
    (first,) = store.read(home / "tokens.json")
    assert run(["token", "rotate", first.kid]) == ExitCode.OK
    _, second = store.read(home / "tokens.json")
    created, rotated = [record for record in sequencer.records() if record["kind"] == "admin"]
    rights = {"principal": "u:demo", "roles": ["operator"], "tenant": "research"}
    assert created["attr"] == {"kid": first.kid, **rights}
    assert (rotated["act"], rotated["attr"]) == ("token_rotate", {"kid": second.kid, "replaces": first.kid, **rights})


def test_a_token_whose_record_is_not_taken_is_never_shown(home, sequencer, capsys):
    sequencer.start()
    sequencer.end(signal.SIGKILL)  # what it leaves is the socket of a deployment that runs or will
    assert run(["token", "create", "u:demo"]) == ExitCode.FAILED
    output = capsys.readouterr()
    assert output.out == ""
    assert "audit sequencer" in output.err
    (entry,) = store.read(home / "tokens.json")
    assert entry.principal == "u:demo"


@pytest.mark.usefixtures("home")
def test_without_a_deployment_the_change_is_made_and_said_to_be_unrecorded(capsys):
    assert run(["token", "create", "u:demo"]) == ExitCode.OK
    assert "no audit log takes a record" in capsys.readouterr().err
