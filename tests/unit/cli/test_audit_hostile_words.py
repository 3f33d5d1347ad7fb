"""Words on the command line that nobody means: one sentence and exit code 2 or 1, never a traceback, and nobody is kept waiting."""

import os
import re

import pytest
import sealed_log

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode

NINES = "9" * 5000
NO_TEXT = os.fsdecode(b"\xff")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Nobody changes it."""
    return sealed_log.make(tmp_path_factory.mktemp("home"))


@pytest.fixture
def audit(whole, tmp_path, monkeypatch, capsys):
    """Run a command on the log, and return its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "endless").symlink_to("/dev/zero")

    def asked(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["audit", words[0], "--directory", str(whole.directory), *words[1:]])
        return status, capsys.readouterr().err

    return asked


@pytest.fixture
def key(whole):
    return ["--key", str(whole.trust.verifiers[0])]


@pytest.mark.parametrize("number", [NINES, "9" * 4000, str(2**63), "9" * 20])
@pytest.mark.parametrize(
    "words", [["verify", "--since"], ["verify", "--until"], ["prove"], ["consistency", "1"], ["tail", "-n"]]
)
def test_a_number_that_no_record_can_have_is_refused(audit, key, words, number):
    status, told = audit(*words, number, *(key if words[0] != "tail" else []))
    assert status == ExitCode.USAGE
    assert "Error: " in told


def test_a_number_in_other_digits_is_no_number(audit, key):
    status, told = audit("verify", "--since", "٣", *key)
    assert (status, "is no moment" in told) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("command", ["verify", "search"])
def test_there_is_no_day_after_the_last(audit, key, command):
    status, told = audit(command, "--until", "9999-12-31", *(key if command == "verify" else []))
    assert (status, "there is no day after 9999-12-31" in told) == (ExitCode.USAGE, True)


def test_a_year_before_1000_is_written_with_four_digits(audit):
    assert audit("search", "--until", "0999-01-01", "--who", "u:alice")[0] == 0
    assert audit("search", "--since", "99999w")[0] == 0


@pytest.mark.parametrize("name", ["who", "what", "request", "reason", "model", "tenant", "digest"])
def test_what_is_no_text_is_in_no_record(audit, name):
    status, told = audit("search", f"--{name}", NO_TEXT)
    assert (status, "is not UTF-8" in told) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("path", ["pipe", "directory", "endless", "nowhere/file", "x" * 300])
def test_an_export_waits_for_no_file_that_can_never_be(audit, path):
    status, told = audit("export", "--file", path)
    assert status == ExitCode.USAGE
    assert re.search(r"is no file and cannot become one|is a directory", told)


@pytest.mark.parametrize("path", ["pipe", "endless", "binary", "empty"])
@pytest.mark.parametrize("option", ["--state", "--ca", "--certificate"])
def test_an_export_with_a_file_that_is_none_of_its_own_fails_at_once(audit, option, path):
    target = ["--file", "out"] if option == "--state" else ["--syslog", "127.0.0.1:1"]
    status, told = audit("export", *target, option, path)
    assert status == ExitCode.FAILED
    assert told.count("\n") == 1


@pytest.mark.parametrize("host", ["a" * 64, "a..b", ".", "x" * 5000])
def test_a_collector_that_no_name_can_lead_to_is_refused(audit, host):
    status, told = audit("export", "--syslog", host)
    assert (status, "is no address" in told) == (ExitCode.USAGE, True)


def test_a_key_without_its_certificate_is_refused(audit):
    assert audit("export", "--syslog", "127.0.0.1:1", "--key", "binary")[0] == ExitCode.USAGE


@pytest.mark.parametrize("path", ["pipe", "endless", "binary", "empty"])
def test_a_file_that_is_no_proof_or_checkpoint_is_said(audit, key, path):
    failed = (ExitCode.FAILED, ExitCode.VERIFICATION_FAILED)
    for words in (["verify", "--from", path], ["consistency", path, "5"], ["verify", "--mac-key", path]):
        status, told = audit(*words, *key)
        assert status in failed
        assert told.count("\n") == 1
    assert run(["audit", "check-proof", path, *key]) in failed
