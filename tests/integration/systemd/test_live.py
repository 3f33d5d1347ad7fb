"""The units, started for real: they come up, are killed, hang, and are started again; what they do is on record."""

import json
from typing import Any

import pytest
from container import PYTHON, Container
from served import until

pytestmark = pytest.mark.integration

SEQUENCER = "deepseek-local-audit@demo.service"
ENGINE = "deepseek-local@demo.service"
LOG = "/var/lib/deepseek-audit/demo/log"
SOCKET = "/run/deepseek-audit/demo/audit.sock"
RECORD = f"""
import sys
from pathlib import Path
from deepseek_local.audit.admin import record_change
sys.exit(not record_change(Path("{SOCKET}"), sys.argv[1], "engine", {{}}))
"""


def admin(host: Container) -> list[dict[str, Any]]:
    lines = host.run("sh", "-c", f"cat {LOG}/segment-*.jsonl", ok=(0,)).stdout.splitlines()
    return [record for record in map(json.loads, lines) if record.get("kind") == "admin"]


def record(host: Container, action: str, user: str = "deepseek-local", group: str = "deepseek-local") -> int:
    become = ("setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups")
    return host.run(*become, PYTHON, "-c", RECORD, action).returncode


def kill(host: Container, unit: str, signal: str) -> None:
    host.run("kill", f"-{signal}", host.show(unit, "MainPID"), ok=(0,))


def test_the_sequencer_takes_records_of_the_engines_user_and_of_no_other(host: Container) -> None:
    host.systemctl("start", SEQUENCER)
    until(lambda: host.run("test", "-S", SOCKET).returncode == 0, "the sequencer's socket", 20)
    until(lambda: record(host, "by_engine") == 0, "a record", 20)
    assert record(host, "by_stranger", "nobody", "nogroup") != 0
    assert "by_stranger" not in [each["act"] for each in admin(host)]
    (taken,) = [each for each in admin(host) if each["act"] == "by_engine"][:1]
    assert taken["sub"]["id"] == "os:deepseek-local"


def test_a_killed_sequencer_is_started_again_and_goes_on_with_its_log(host: Container) -> None:
    before = len(admin(host))
    kill(host, SEQUENCER, "KILL")
    host.until_shown(SEQUENCER, "NRestarts", "1")
    until(lambda: record(host, "after_kill") == 0, "a record", 20)
    assert [each["act"] for each in admin(host)][before:] == ["after_kill"]


def test_the_engine_becomes_ready_with_the_sequencer_of_the_other_unit(host: Container) -> None:
    host.systemctl("start", ENGINE)  # returns when READY=1 came
    assert host.show(ENGINE, "ActiveState") == "active"
    assert host.show(ENGINE, "StatusText").startswith("serving demo at unix:")
    started = host.run("ps", "--ppid", host.show(ENGINE, "MainPID"), "-o", "args=", ok=(0,)).stdout
    assert "deepseek_local.engine.launcher" in started
    assert "audit serve" not in started
    assert [each["act"] for each in admin(host)][-3:] == ["serve_start", "engine_start", "engine_ready"]


def test_a_killed_engine_is_started_again(host: Container) -> None:
    kill(host, ENGINE, "KILL")
    host.until_shown(ENGINE, "NRestarts", "1")
    host.until_shown(ENGINE, "ActiveState", "active")
    assert "serve_stop" not in [each["act"] for each in admin(host)]


def test_an_engine_whose_watchdog_expires_is_started_again(host: Container) -> None:
    kill(host, ENGINE, "STOP")
    host.until_shown(ENGINE, "NRestarts", "2")
    host.until_shown(ENGINE, "ActiveState", "active")
    assert "Watchdog timeout" in host.journal()


def test_the_engine_outlives_a_restart_of_the_sequencer(host: Container) -> None:
    pid = host.show(ENGINE, "MainPID")
    host.systemctl("restart", SEQUENCER)
    until(lambda: record(host, "after_restart") == 0, "a record", 20)
    assert (host.show(ENGINE, "MainPID"), host.show(ENGINE, "ActiveState")) == (pid, "active")


def test_a_stop_lets_a_stream_end_and_the_sequencer_record_it(host: Container) -> None:
    token = host.run("cat", "/run/deepseek-local/demo/local.token", ok=(0,)).stdout.strip()
    question = {"model": "demo", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    host.write("/srv/question.json", json.dumps(question))
    host.write("/srv/model/tick.txt", "1")
    asking = f"curl -sSN --unix-socket /run/deepseek-local/demo/front.sock -H 'authorization: Bearer {token}' "
    asking += "-H 'content-type: application/json' -d @/srv/question.json http://localhost/v1/chat/completions"
    host.run("sh", "-c", f"{asking} >/srv/answer 2>&1 </dev/null &", ok=(0,))
    until(lambda: "word1" in host.run("cat", "/srv/answer").stdout, "the first word", 20)
    host.systemctl("stop", "--no-block", ENGINE)
    until(lambda: host.run("test", "-e", "/run/deepseek-local/demo/draining").returncode == 0, "draining", 20)
    assert host.show(ENGINE, "ActiveState") == "deactivating"
    host.write("/srv/model/tick.txt", "123")
    host.until_shown(ENGINE, "ActiveState", "inactive")
    assert "[DONE]" in host.run("cat", "/srv/answer", ok=(0,)).stdout
    assert host.show(ENGINE, "Result") == "success"
    assert admin(host)[-1]["act"] == "serve_stop"
    assert host.show(SEQUENCER, "ActiveState") == "active"
