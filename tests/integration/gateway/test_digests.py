"""A text leads to its records as long as its key exists, through rotations that nobody restarts for."""

import json
from pathlib import Path

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from tests.integration.gateway.conftest import Door, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def command(door: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(door.directory))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(door.directory))
    monkeypatch.setenv("DEEPSEEK_LOCAL_AUDIT_DIRECTORY", str(door.directory / "audit"))

    def result(*words: str) -> str:
        assert run(["audit", *words]) == ExitCode.OK
        return capsys.readouterr().out

    return result


def test_prompt_and_answer_lead_to_their_records_until_their_key_is_destroyed(door: Door, command, tmp_path: Path):
    prompt, answer = tmp_path / "prompt.json", tmp_path / "answer.json"
    prompt.write_bytes(json.dumps({"model": "m", "messages": [], "seed": 5}).encode())
    before = door.ask(door.olga, content=prompt.read_bytes())
    answer.write_bytes(before.content)
    old = door.decision(before)["prompt"]["hmac"].partition(":")[0]

    def found(text: Path) -> set[str]:
        digests = command("hash", str(text)).split()
        lines = [command("search", "--digest", digest, "--format", "json") for digest in digests]
        return {record["req"] for line in lines for record in map(json.loads, line.splitlines())}

    new = json.loads(command("keys", "rotate", "--format", "json"))["key"]
    wait_until(
        lambda: door.decision(door.ask(door.olga))["prompt"]["hmac"].startswith(f"{new}:"), "the new key is used"
    )
    after = door.ask(door.olga, content=prompt.read_bytes())
    assert found(prompt) == {before.headers["x-request-id"], after.headers["x-request-id"]}
    assert found(answer) >= {before.headers["x-request-id"], after.headers["x-request-id"]}
    command("keys", "destroy", old, "--yes")
    assert found(prompt) == {after.headers["x-request-id"]}
    admin = [record for record in door.sequencer.records() if record["kind"] == "admin"]
    assert [(record["act"], record["attr"]) for record in admin[-2:]] == [
        ("digest_key_rotate", {"key": new, "before": old}),
        ("digest_key_destroy", {"key": old}),
    ]
    assert all(record["sub"]["id"].startswith("os:") for record in admin)


def test_no_text_is_in_the_log(door: Door):
    door.ask(door.olga, json={"model": "m", "messages": [{"role": "user", "content": "canary-in-the-prompt"}]})
    response = door.chat(kind="stream", chunks=2)
    log = b"".join(path.read_bytes() for path in (door.directory / "audit").glob("segment-*.jsonl"))
    assert b"canary-in-the-prompt" not in log
    assert response.content[:40] not in log
