"""An emergency grant is on record before it counts, and one that cannot be recorded is not given."""

import signal
from datetime import UTC, datetime

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.policy import break_glass

pytestmark = pytest.mark.integration

GRANT = ["policy", "break-glass", "grant", "u:alice", "admin", "--for", "30m", "--reason", "the engine hangs"]


@pytest.fixture
def home(sequencer, tmp_path, monkeypatch):
    """A home whose runtime directory is the sequencer's."""
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(sequencer.place))
    return tmp_path


def active(home):
    return break_glass.read(home / "break-glass.json", datetime.now(UTC))


def test_giving_and_withdrawing_are_on_record(home, sequencer):
    sequencer.start()
    assert run(GRANT) == ExitCode.OK
    (entry,) = active(home)
    assert run(["policy", "break-glass", "withdraw", entry.id]) == ExitCode.OK
    changes = [record for record in sequencer.records() if record["kind"] == "admin"]
    assert [record["act"] for record in changes] == ["break_glass_grant", "break_glass_withdraw"]
    for record in changes:
        assert record["obj"] == "break_glass"
        assert record["attr"]["grant"] == entry.id
        assert (record["attr"]["principal"], record["attr"]["role"]) == ("u:alice", "admin")
        assert record["attr"]["reason"] == "the engine hangs"
        assert record["sub"]["id"] == entry.by


def test_a_grant_whose_record_is_not_taken_does_not_count(home, sequencer, capsys):
    sequencer.start()
    sequencer.end(signal.SIGKILL)  # what it leaves is the socket of a deployment that runs or will
    assert run(GRANT) == ExitCode.FAILED
    assert "audit sequencer" in capsys.readouterr().err
    assert active(home) == ()


def test_a_grant_is_withdrawn_even_if_no_record_is_taken(home, sequencer):
    sequencer.start()
    assert run(GRANT) == ExitCode.OK
    (entry,) = active(home)
    sequencer.end(signal.SIGKILL)
    assert run(["policy", "break-glass", "withdraw", entry.id]) == ExitCode.FAILED
    assert active(home) == ()
