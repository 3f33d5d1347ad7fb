"""Who verified the log, and what was found, is in the log itself, where it runs; that it cannot be recorded never hides a verdict."""

import signal

import pytest
from waiting import wait_until

from deepseek_local.audit import seal
from deepseek_local.audit.admin import who
from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode

pytestmark = pytest.mark.integration


@pytest.fixture
def verify(sequencer, monkeypatch):
    """Verify a sealed log of one segment that runs in a home whose runtime directory is the sequencer's."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(sequencer.place))
    sequencer.start()
    sequencer.append()
    wait_until((sequencer.log / "tlog" / "checkpoint").exists)
    key = str(seal.read(sequencer.place).signer.verifier)
    return lambda *more: run(["audit", "verify", "--directory", str(sequencer.log), "--key", key, *map(str, more)])


def verifications(sequencer):
    return [record for record in sequencer.records() if record.get("act") == "audit_verify"]


def test_a_verification_is_on_record_with_its_result_and_who_ran_it(verify, sequencer):
    assert verify() == ExitCode.OK
    assert verify("--socket", sequencer.socket) == ExitCode.OK
    found = verifications(sequencer)
    assert [(one["obj"], one["sub"]["id"], one["attr"]["verdict"]) for one in found] == [("audit", who(), "intact")] * 2
    assert found[0]["attr"]["first"] == 0
    assert found[0]["attr"]["records"] > 0


def test_where_nothing_runs_a_verification_needs_no_record(verify, sequencer):
    sequencer.end()
    assert verify() == ExitCode.OK
    assert verifications(sequencer) == []


def test_a_verification_that_must_be_on_record_and_is_not_fails(verify, sequencer, capsys):
    sequencer.end(signal.SIGKILL)
    sequencer.start()
    sequencer.end()
    assert verify("--socket", sequencer.socket) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert shown.out.startswith("intact: ")
    assert "leave out --socket" in shown.err


@pytest.mark.parametrize("insists", [False, True])
def test_a_dead_sequencer_hides_no_verdict(verify, sequencer, capsys, insists):
    sequencer.end(signal.SIGKILL)
    path = sequencer.segments()[0]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"client_hello", b"client_hellO"))
    assert sequencer.socket.exists()
    assert verify(*(["--socket", sequencer.socket] if insists else [])) == ExitCode.VERIFICATION_FAILED
    shown = capsys.readouterr()
    assert shown.out.startswith("tampered: ")
    assert "This verification is not on record: " in shown.err
