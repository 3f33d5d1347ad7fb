"""The frame: what is imported, which exit codes, which stream."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest

from deepseek_local import __version__
from deepseek_local.cli import main
from deepseek_local.errors import AuditError, ExitCode


def python(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], text=True, check=False, timeout=60, **options)


@pytest.fixture
def command(monkeypatch):
    """Put a command of our own into the frame."""

    def command(function) -> None:
        module = types.ModuleType("deepseek_local.cli.probe")
        module.command = click.command()(function)
        monkeypatch.setitem(sys.modules, "deepseek_local.cli.probe", module)
        monkeypatch.setitem(main.COMMANDS, "probe", "Probe.")

    return command


def test_the_help_of_the_frame_imports_no_command():
    program = (
        "import sys; from deepseek_local.cli.main import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = python("-c", program, capture_output=True)
    assert "profile" in done.stdout
    assert not {"pydantic", "yaml", "httpx", "casbin", "asyncio"} & set(done.stderr.split())


def test_the_module_runs_like_the_console_script():
    done = python("-m", "deepseek_local", "--version", capture_output=True)
    assert done.stdout == f"deepseek-local, version {__version__}\n"


def test_an_error_is_a_sentence_on_stderr_and_its_exit_code(command, capsys):
    def fail() -> None:
        raise AuditError("the disk is full, free some space")

    command(fail)
    assert main.run(["probe"]) == ExitCode.FAILED
    assert capsys.readouterr() == ("", "the disk is full, free some space\n")


def test_every_kind_of_error_has_its_own_exit_code(capsys):
    assert main.run(["profile", "show", "nothing"]) == ExitCode.PROFILE_INVALID
    assert capsys.readouterr().err.startswith("nothing: is no shipped profile")


def test_verbose_shows_the_traceback(capsys):
    assert main.run(["profile", "show", "nothing", "--verbose"]) == ExitCode.PROFILE_INVALID
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_with_json_a_failure_is_data(capsys):
    assert main.run(["profile", "show", "nothing", "--format", "json"]) == ExitCode.PROFILE_INVALID
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["exit_code"] == 3
    assert error["problems"][0]["file"] == "nothing"


@pytest.mark.parametrize("arguments", [["nothing"], ["profile", "nothing"], ["profile", "show"], ["--nothing"]])
def test_a_wrong_command_line_is_a_usage_error(arguments, capsys):
    assert main.run(arguments) == ExitCode.USAGE
    assert "Usage: deepseek-local" in capsys.readouterr().err


def test_an_unknown_command_is_told_with_the_commands_there_are(capsys):
    main.run(["sevre"])
    told = f"There is no command 'sevre'; the commands are {', '.join(main.COMMANDS)}."
    assert told in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_no_traceback(command, capsys):
    def wait() -> None:
        raise KeyboardInterrupt

    command(wait)
    assert main.run(["probe"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_a_command_may_return_its_exit_code(command):
    command(lambda: ExitCode.VERIFICATION_FAILED)
    assert main.run(["probe"]) == 5
    command(lambda: "something else")
    assert main.run(["probe"]) == 0


def test_a_bug_is_not_hidden(command):
    command(lambda: {}["missing"])
    with pytest.raises(KeyError):
        main.run(["probe"])


def test_a_reader_that_went_away_is_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    done = python("-m", "deepseek_local", "profile", "list", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_that_lacks_a_letter_gets_an_escape():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = python("-m", "deepseek_local", "profile", "show", "前门", capture_output=True, env=environment)
    assert done.returncode == 3
    assert done.stderr.startswith("\\u524d\\u95e8: is no shipped profile")


def test_a_full_disk_is_a_sentence_with_the_remedy():
    with Path("/dev/full").open("w") as full:
        done = python("-m", "deepseek_local", "profile", "list", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (
        1,
        "the result could not be written (No space left on device): free some space at its place\n",
    )
