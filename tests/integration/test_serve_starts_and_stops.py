"""How `serve` starts, refuses to start, and stops; the engine is a fake, everything else is real."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
import segment_files
from served import Served, lives, short_directory, until

pytestmark = pytest.mark.integration

QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}


_ENDS = ("engine_end", "serve_stop")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "dies-while-loading",
            "ready: exit code 1: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB; the weights do not fit: raise",
        ),
        ("garbage", "the engine did not become ready: the golden question"),
        ("fails", "the golden question was answered with HTTP status 500"),
        ("open-door", "GET /v1/models without a token must be answered with 401, but was with 200"),
    ],
)
def test_an_engine_that_never_became_ready_ends_the_start_with_its_reason(serve, fault: str, said: str) -> None:
    served = serve(fault)
    assert served.exit_code() == 1
    assert said in served.said
    assert "Traceback" not in served.said
    assert served.processes() == ()
    assert not (served.home / "run" / "state.json").exists()
    ends = [record for record in map(json.loads, audit(served).splitlines()) if record.get("act") in _ENDS]
    assert [record["act"] for record in ends] == list(_ENDS)
    assert ends[0]["reason"][:40] in served.said
    assert ends[1]["reason"].startswith(f"the engine did not become ready: {ends[0]['reason'][:40]}")


def test_a_stop_while_loading_leaves_nothing(serve) -> None:
    served = serve("loads-for-ever")
    served.until_said("engine core started")
    served.ask_to_stop(signal.SIGINT)
    assert served.exit_code() == 0
    assert served.processes() == ()


def test_sigterm_lets_streams_finish_and_refuses_new_requests(serve) -> None:
    served = serve(sets=("tls.site=plant7",))
    served.until_ready()
    ticks = served.model / "tick.txt"
    received: list[str] = []

    def listen() -> None:
        with (
            served.client(timeout=30) as client,
            client.stream("POST", "/v1/chat/completions", json={**QUESTION, "stream": True}) as response,
        ):
            for line in response.iter_lines():
                received.append(line)  # noqa: PERF402 -- the test looks at it while it grows

    listener = threading.Thread(target=listen)
    listener.start()
    ticks.write_text("x")
    until(lambda: any("word1" in line for line in received), "the first word")
    served.ask_to_stop(signal.SIGTERM)
    with served.client(timeout=10) as client:
        until(lambda: client.post("/v1/chat/completions", json=QUESTION).status_code == 503, "a refusal")
    assert "data: [DONE]" not in received
    ticks.write_text("xxx")
    listener.join(30)
    assert "data: [DONE]" in received
    assert served.exit_code() == 0
    assert served.processes() == ()
    assert sorted(path.name for path in (served.home / "run").iterdir()) == []
    (stopped,) = [json.loads(line) for line in audit(served).splitlines() if '"act":"serve_stop"' in line]
    assert stopped["reason"] == "SIGTERM"
    assert f'"node":"plant7.{socket.gethostname()}"' in audit(served)


def test_the_end_of_its_terminal_ends_serve(serve) -> None:
    screen, terminal = os.openpty()
    served = serve(terminal=terminal)
    os.close(terminal)
    served.until_ready()
    os.close(screen)
    served.until_said("SIGHUP: stopping")
    assert served.exit_code() == 0
    assert served.processes() == ()


def test_a_second_ctrl_c_stops_at_once_even_an_engine_that_ignores_sigterm(serve) -> None:
    served = serve("ignores-sigterm")
    served.until_ready()
    served.ask_to_stop(signal.SIGINT)
    served.until_said("running answers may finish")
    served.ask_to_stop(signal.SIGINT)
    assert served.exit_code(15) == 0
    assert "until it is back" not in served.said
    assert served.processes() == ()


def test_engine_and_sequencer_end_with_a_supervisor_that_was_killed(serve) -> None:
    served = serve()
    served.until_ready()
    engine, sequencer = served.engine, served.sequencer
    served.process.kill()
    until(lambda: not lives(engine) and not lives(sequencer), "the end of the children")


def test_what_a_killed_serve_left_does_not_hinder_the_next(serve) -> None:
    first = serve()
    first.until_ready()
    token, old = first.token, (first.engine, first.sequencer)
    first.process.kill()
    until(lambda: not any(map(lives, old)), "the end of the children")
    (first.home / "run" / "draining").touch()  # as if it had been killed while it drained
    second = serve(home=first.home)
    second.until_ready()
    assert second.token != token
    with second.client(timeout=10) as client:
        assert client.post("/v1/chat/completions", json=QUESTION).status_code == 200


def test_a_sequencer_that_cannot_open_its_log_ends_the_start_with_its_reason(serve) -> None:
    with short_directory() as directory:
        home = directory / "home"
        (home / "audit").mkdir(parents=True)
        (home / "audit" / "segment-000001.jsonl").mkdir()
        served = serve(home=home)
        assert served.exit_code() == 1
        assert "the audit sequencer did not start: exit code 1: " in served.said
        assert "segment-000001.jsonl" in served.said
        assert served.processes() == ()


def test_ctrl_c_ends_a_chat_and_aborts_its_stream(serve) -> None:
    served = serve()
    served.until_ready()
    (served.model / "tick.txt").write_text("x")
    command = [sys.executable, "-m", "deepseek_local", "chat", "--home", str(served.home), "hello"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as chat:
        assert chat.stdout.read(6) == "word1 "
        chat.send_signal(signal.SIGINT)
        assert (chat.stdout.read(), chat.stderr.read().strip(), chat.wait(10)) == ("\n", "", 130)
    until(lambda: '"aborted":true' in audit(served), "the record of the abort")


def audit(served: Served) -> str:
    return b"".join(segment_files.lines(served.home / "audit")).decode()


def test_a_second_serve_in_the_same_home_is_refused_and_the_first_goes_on(serve) -> None:
    first = serve()
    first.until_ready()
    token = first.token
    second = serve(home=first.home)
    assert second.exit_code() == 4
    assert "audit.sock is in use by python" in second.said
    assert first.token == token
    with first.client(timeout=10) as client:
        assert client.get("/v1/models").status_code == 200


def test_systemd_hears_ready_signs_of_life_and_stopping(serve, tmp_path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(60)
        served = serve(environment={"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "300000"})
        heard = [listener.recv(4096).decode()]
        while not heard[-1].startswith("READY=1"):
            heard.append(listener.recv(4096).decode())
        assert "STATUS=starting the engine" in heard
        assert heard[-1].startswith("READY=1\nSTATUS=serving demo at unix:")
        assert listener.recv(4096) == b"WATCHDOG=1"
        served.ask_to_stop()
        while not heard[-1].startswith("STOPPING=1"):
            heard.append(listener.recv(4096).decode())
        assert served.exit_code() == 0
    assert os.environ.get("NOTIFY_SOCKET") is None
