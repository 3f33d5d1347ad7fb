"""`deepseek-local chat` on a terminal and in a pipe; what the front door sends is up to the test."""

import json
import os
import pty
import shlex
import subprocess
import sys

import pytest

from deepseek_local.cli import main
from deepseek_local.errors import ExitCode


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


@pytest.fixture
def chat(web, reply, tmp_path, monkeypatch):
    """Start a front door that sends these events to every question; return the command that asks it, and what it was asked."""
    monkeypatch.setenv("DEEPSEEK_LOCAL_TOKEN", "dsk_0a1b2c3d4e5f_secret")

    def start(*events: bytes) -> tuple[list[str], list[list[dict[str, str]]]]:
        asked: list[list[dict[str, str]]] = []

        def answer(request):
            if request.path == "/v1/models":
                return reply(chunks=(b'{"data": [{"id": "demo"}]}',))
            asked.append(json.loads(request.body)["messages"])
            return reply(chunks=(*events, b"data: [DONE]\n\n"))

        return ["chat", "--url", web(answer), "--home", str(tmp_path)], asked

    return start


def on_a_terminal(arguments: list[str], typed: str) -> str:
    """Run the command on a terminal, type, and return what the screen shows."""
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "deepseek_local", *arguments]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        os.write(screen, typed.encode())
        shown = b""
        try:
            while part := os.read(screen, 4096):
                shown += part
        except OSError:  # how a terminal tells that nobody holds its other end any more
            pass
        finally:
            os.close(screen)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_conversation_remembers_and_an_empty_line_ends_it(chat):
    command, asked = chat(event(content="Paris"))
    on_a_terminal(command, "Capital of France?\nSure?\n\n")
    first = {"role": "user", "content": "Capital of France?"}
    answer = {"role": "assistant", "content": "Paris"}
    assert asked == [[first], [first, answer, {"role": "user", "content": "Sure?"}]]


def test_an_answer_cannot_command_a_terminal(chat):
    command, _ = chat(event(content="a\x1b[2Jb\x9b1mc\td\n"))
    shown = on_a_terminal([*command, "hello"], "")
    assert "a\ufffd[2Jb\ufffd1mc\td" in shown
    assert "\x1b" not in shown


def test_a_pipe_gets_the_answer_as_it_is(chat, capfd):
    command, _ = chat(event(content="a\x1b[2Jb"))
    assert main.run([*command, "hello"]) == ExitCode.OK
    assert capfd.readouterr().out == "a\x1b[2Jb\n"


def test_of_thinking_only_the_fact_is_shown_and_nothing_is_remembered(chat, capfd):
    command, _ = chat(event(reasoning="so many"), event(reasoning="thoughts"), event(content="4"))
    assert main.run([*command, "2 + 2?"]) == ExitCode.OK
    assert tuple(capfd.readouterr()) == ("4\n", "(thinking)\n")


@pytest.mark.parametrize(("question", "said"), [(" \n", "the question is empty"), ("\udcff", "is not UTF-8 text")])
def test_what_is_no_question_is_not_sent(chat, capfd, question, said):
    command, asked = chat()
    assert main.run([*command, question]) == ExitCode.USAGE
    assert said in capfd.readouterr().err
    assert asked == []


def test_ctrl_d_ends_a_conversation_too(chat):
    command, asked = chat(event(content="Paris"))
    assert on_a_terminal(command, "Capital of France?\n\x04").endswith("you> \r\n")
    assert len(asked) == 1


def test_an_answer_as_json_is_one_object(chat, capfd):
    command, _ = chat(event(reasoning="hm"), event(content="Pa"), event(content="ris"))
    assert main.run([*command, "Capital of France?", "--format", "json"]) == ExitCode.OK
    assert json.loads(capfd.readouterr().out) == {"question": "Capital of France?", "answer": "Paris"}


@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_bug(chat, redirection):
    command, asked = chat(event(content="Paris"))
    words = shlex.join([sys.executable, "-m", "deepseek_local", *command, "hello"])
    done = subprocess.run(["sh", "-c", f"{words} {redirection}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, len(asked)) == (0, "", 1)
