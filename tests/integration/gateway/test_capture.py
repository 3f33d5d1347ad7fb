"""Full capture at the whole front door: each text is in the store before its record, and no request goes on without."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.identity import keys
from deepseek_local.profile.handover import CaptureSettings, GatewaySettings
from tests.integration.gateway.conftest import Door, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


class CapturingDoor(Door):
    def settings(self) -> GatewaySettings:
        key_file = self.directory / "capture.key"
        keys.ensure(key_file)
        capture = CaptureSettings(directory=self.directory / "capture", key_file=key_file)
        return super().settings().model_copy(update={"capture": capture})


@pytest.fixture
def capturing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CapturingDoor]:
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    door = CapturingDoor(tmp_path, "httptools")
    with door.serving():
        yield door


def shown(digest: str, capsysbinary: pytest.CaptureFixture[bytes]) -> bytes:
    assert run(["audit", "capture", "show", digest]) == ExitCode.OK
    return capsysbinary.readouterr().out


@pytest.mark.parametrize("metadata", [{}, {"kind": "stream", "chunks": 400}])
def test_prompt_and_answer_can_be_read_again(capturing: Door, capsysbinary, metadata: dict[str, object]):
    body = json.dumps({"model": "m", "messages": [], "metadata": metadata}).encode()
    response = capturing.ask(capturing.olga, content=body)
    decision, outcome = capturing.decision(response), capturing.outcome(response)
    assert shown(decision["prompt"]["capture"], capsysbinary) == body
    assert shown(outcome["answer"]["capture"], capsysbinary) == response.content
    assert outcome["tokens"]["in"] == 7
    acts = [
        (record["act"], record.get("attr")) for record in capturing.sequencer.records() if record["kind"] == "admin"
    ]
    assert acts == [
        ("capture_on", None),
        ("capture_show", {"digest": decision["prompt"]["capture"]}),
        ("capture_show", {"digest": outcome["answer"]["capture"]}),
    ]


def test_what_is_refused_is_not_captured(capturing: Door):
    response = capturing.ask(capturing.olga, content=b'{"model": "m"')
    assert response.status_code == 400
    assert "capture" not in capturing.decision(response)["prompt"]
    assert not (capturing.directory / "capture").exists()


def test_a_prompt_that_cannot_be_captured_never_reaches_the_engine(capturing: Door):
    (capturing.directory / "capture").write_text("in the way")
    response = capturing.ask(capturing.olga)
    assert response.status_code == 503
    assert capturing.engine.seen == []
    (capturing.directory / "capture").unlink()
    assert capturing.ask(capturing.olga).status_code == 200


def test_an_answer_that_cannot_be_captured_does_not_leave(capturing: Door):
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(capturing.chat, pause=True)
        block_store(capturing)
        assert asking.result().status_code == 503


def test_a_stream_that_cannot_be_captured_has_no_end(capturing: Door):
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(capturing.chat, kind="stream", pause=True)
        block_store(capturing)
        with pytest.raises(httpx.RemoteProtocolError):
            asking.result()
    assert [record["kind"] for record in capturing.sequencer.records() if "req" in record] == ["decision"]


def block_store(door: Door) -> None:
    """Wait until the engine has the request, put something in the way of the answer, and let the engine go on."""
    wait_until(lambda: bool(door.engine.seen), "the engine has the request")
    store = door.directory / "capture"
    store.rename(store.with_name("away"))
    store.write_text("in the way")
    door.engine.go_on.set()
