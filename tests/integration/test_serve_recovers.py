"""Faults that a running deployment must survive; the engine is a fake, everything else is real."""

import json
import os
import signal
import stat
from collections.abc import Callable
from typing import Any

import pytest
import segment_files
from served import Served, lives, until

from deepseek_local.audit.admin import who
from deepseek_local.models import checkpoint

pytestmark = pytest.mark.integration

QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}


def status(served: Served) -> int:
    with served.client(timeout=10) as client:
        return client.post("/v1/chat/completions", json=QUESTION).status_code


def set_fault(served: Served, fault: str) -> None:
    (served.model / "fault.txt").write_text(fault)


def again(served: Served, cause: Callable[[], None], reason: str) -> None:
    """Cause a fault and wait until it is over: another engine process, ready, after a log line with the reason."""
    old, ready, processes = served.engine, served.said.count("ready after"), len(served.processes())
    cause()
    served.until_ready(count=ready + 1)
    assert reason in served.said
    assert served.engine != old
    assert not lives(old)
    assert len(served.processes()) == processes
    assert status(served) == 200


def test_only_owner_and_group_may_connect(recovering: Served) -> None:
    runtime = recovering.home / "run"
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o750
    for name, mode in {"front.sock": 0o660, "gateway.json": 0o600, "local.token": 0o600}.items():
        assert stat.S_IMODE((runtime / name).stat().st_mode) == mode


def test_sighup_means_nothing(recovering: Served) -> None:
    recovering.process.send_signal(signal.SIGHUP)
    recovering.until_said("SIGHUP means nothing")
    assert status(recovering) == 200


def test_a_killed_engine_is_started_again_although_its_socket_stayed_behind(recovering: Served) -> None:
    again(
        recovering,
        lambda: os.kill(recovering.engine, signal.SIGKILL),
        "the engine ended and is started again in 0.2 s: killed by SIGKILL",
    )


def test_a_model_that_was_changed_between_two_lives_is_on_record(recovering: Served) -> None:
    def start() -> dict[str, str]:
        return [record["attr"] for record in admin_of(recovering) if record["act"] == "engine_start"][-1]

    before = start()
    (recovering.model / "template.jinja").write_text("another")
    again(recovering, lambda: os.kill(recovering.engine, signal.SIGKILL), "killed by SIGKILL")
    assert before["revision"].startswith("sha256:")
    assert start()["revision"] == checkpoint.revision(recovering.model) != before["revision"]


def test_a_hung_engine_is_restarted(recovering: Served) -> None:
    def hang() -> None:
        set_fault(recovering, "hangs")
        recovering.until_said("failed (2 of 2)")
        set_fault(recovering, "")

    again(recovering, hang, "the golden question was not answered within 1 s")


def test_an_engine_that_answers_garbage_is_restarted(recovering: Served) -> None:
    def answer_garbage() -> None:
        set_fault(recovering, "garbage")
        recovering.until_said("failed (2 of 2): the golden question 'What")
        set_fault(recovering, "")

    again(
        recovering,
        answer_garbage,
        "'is is is France France France' (29 characters) is not 'The capital of France is Paris.'",
    )


def test_a_killed_sequencer_means_503_until_it_is_back_and_the_engine_stays(recovering: Served) -> None:
    engine, sequencer = recovering.engine, recovering.sequencer
    os.kill(recovering.process.pid, signal.SIGSTOP)  # so that nobody starts it again before we have asked
    os.kill(sequencer, signal.SIGKILL)
    until(lambda: not lives(sequencer), "the sequencer's end")
    with recovering.client(timeout=10) as client:
        assert client.get("/health").status_code == 200
        refused = client.post("/v1/chat/completions", json=QUESTION)
    os.kill(recovering.process.pid, signal.SIGCONT)
    assert refused.status_code == 503
    assert "retry-after" in refused.headers
    recovering.until_said("the audit sequencer is back")
    until(lambda: status(recovering) == 200, "an answer")
    assert recovering.engine == engine
    until(lambda: "sequencer_end" in [record["act"] for record in admin_of(recovering)], "the record of its end")
    ended = next(record for record in admin_of(recovering) if record["act"] == "sequencer_end")
    assert ended["obj"] == "sequencer"
    assert ended["reason"].startswith("killed by SIGKILL")


def admin_of(served: Served) -> list[dict[str, Any]]:
    records = (json.loads(line) for line in segment_files.lines(served.home / "audit"))
    return [record for record in records if record["kind"] == "admin"]


def test_the_supervisors_records_tell_the_story(recovering: Served) -> None:
    admin = admin_of(recovering)
    told = [(record["act"], "reason" in record) for record in admin]
    assert told[:3] == [("serve_start", False), ("engine_start", False), ("engine_ready", False)]
    assert told[3:6] == [("engine_end", True), ("engine_start", False), ("engine_ready", False)]
    started = admin[0]["attr"]
    assert admin[1]["attr"]["revision"] == started["revision"]
    assert {name: started[name].partition(":")[0] for name in ("profile_digest", "revision")} == {
        "profile_digest": "sha256",
        "revision": "sha256",
    }
    assert {"profile", "model", "engine", "version"} <= started.keys()
    assert started["by"] == who()
    assert admin[3]["reason"].startswith("killed by SIGKILL")
