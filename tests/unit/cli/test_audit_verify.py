import json

import pytest
import sealed_log

from deepseek_local.cli.main import run
from deepseek_local.evidence import checkpoints, proof_file


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Nobody changes it."""
    return sealed_log.make(tmp_path_factory.mktemp("home"))


@pytest.fixture
def log(whole, tmp_path):
    return whole.copy(tmp_path / "copy")


@pytest.fixture
def audit(log):
    """Run a command of an auditor on the log."""
    key = str(log.trust.verifiers[0])
    return lambda *arguments: run(["audit", *map(str, arguments), "--directory", str(log.directory), "--key", key])


@pytest.fixture
def key_file(log, tmp_path):
    path = tmp_path / "gpu01.key"
    path.write_text(f"{log.trust.verifiers[0]}\n")
    return path


def spoil(log) -> None:
    path = log.segment(3)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"SIGTERM", b"SIGKILL"))


def test_an_intact_log_gives_exit_code_0(audit, log, capsys):
    assert audit("verify", "--mac-key", log.keys / "audit.mac.first") == 0
    assert capsys.readouterr().out == (
        "intact: lab.gpu01/audit/2026, records 0 to 36 in 3 segments\n"
        "  7 checkpoints with their MACs, the newest for 37 records; tiles compared: 1\n"
    )


def test_a_log_that_was_tampered_with_gives_exit_code_5_and_one_sentence(audit, log, capsys):
    spoil(log)
    assert audit("verify") == 5
    first, problem, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("tampered: lab.gpu01/audit/2026")
    assert problem.startswith("  record 36 was altered, segment-000003.jsonl at byte ")
    assert problem.endswith("; keep the file for the investigation and restore it from its copy")


def test_an_incomplete_log_gives_exit_code_6(audit, log, capsys):
    (log.directory / checkpoints.NEWEST).unlink()
    assert audit("verify") == 6
    assert "is missing; start the sequencer, which puts it in order" in capsys.readouterr().out


def test_a_report_exists_as_json(audit, log, capsys):
    spoil(log)
    assert audit("verify", "--format", "json") == 5
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["origin"], report["macs_checked"]) == ("tampered", "lab.gpu01/audit/2026", False)
    assert report["problems"][0]["record"] == 36
    assert report["problems"][0]["file"] == "segment-000003.jsonl"


def test_a_window_is_given_by_number_or_moment(audit, capsys):
    assert audit("verify", "--since", "30", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["segments"] == 1
    assert audit("verify", "--since", "2026-11-24T12:00:00Z", "--until", "2026-11-25", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["segments"] == 3


def test_a_kept_checkpoint_is_where_verification_goes_on(audit, log, tmp_path, capsys):
    (tmp_path / "kept").write_bytes((log.directory / checkpoints.NEWEST).read_bytes())
    assert audit("verify", "--from", tmp_path / "kept", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["first"] > 0
    assert audit("verify", "--from", tmp_path / "kept", "--since", "3") == 2


def test_a_record_of_the_verification_needs_a_sequencer(audit, tmp_path, capsys):
    assert audit("verify", "--socket", tmp_path / "audit.sock") == 1
    assert "leave out --socket" in capsys.readouterr().err


def test_a_proof_is_written_and_checked_without_the_log(audit, log, key_file, tmp_path, capsys):
    file = tmp_path / f"9{proof_file.SUFFIX}"
    assert audit("prove", 9, "--output", file) == 0
    assert f"{file} proves record 9" in capsys.readouterr().out
    log.directory.rename(log.home / "away")
    assert run(["audit", "check-proof", str(file), "--key", str(key_file)]) == 0
    shown = capsys.readouterr().out
    assert "req=r4242-" in shown
    assert "This record is number 9 of lab.gpu01/audit/2026, sealed among 37 records." in shown


def test_a_checked_proof_shows_the_exact_line_as_json(audit, log, key_file, tmp_path, capsys):
    audit("prove", 36, "--output", tmp_path / "proof")
    capsys.readouterr()
    assert run(["audit", "check-proof", str(tmp_path / "proof"), "--key", str(key_file), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["line"].encode() == log.segment(3).read_bytes().splitlines(keepends=True)[-1]


def test_a_proof_that_was_altered_gives_exit_code_5(audit, key_file, tmp_path, capsys):
    audit("prove", 36, "--output", tmp_path / "proof")
    content = (tmp_path / "proof").read_text().replace("index 36", "index 35")
    (tmp_path / "proof").write_text(content)
    assert run(["audit", "check-proof", str(tmp_path / "proof"), "--key", str(key_file)]) == 5
    assert "does not prove its record" in capsys.readouterr().err


def test_a_record_that_is_not_sealed_gives_exit_code_6(audit):
    assert audit("prove", 37) == 6


def test_a_place_that_cannot_be_written_is_named(audit, tmp_path, capsys):
    assert audit("prove", 3, "--output", tmp_path / "nowhere" / "proof") == 1
    assert "give another --output" in capsys.readouterr().err


def test_states_are_consistent_by_size_and_by_file(audit, log, capsys):
    assert audit("consistency", "3", log.directory / checkpoints.NEWEST, "--format", "json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["old"]["size"], shown["new"]["size"]) == (3, 37)
    assert len(shown["proof"]) > 0
    assert audit("consistency", "3", "12") == 0
    assert "The log of 12 records begins with all 3 records of the older one." in capsys.readouterr().out


def test_a_state_that_is_no_number_and_no_file_is_refused(audit, capsys):
    assert audit("consistency", "3", "nowhere") == 1
    assert "cannot read nowhere" in capsys.readouterr().err
