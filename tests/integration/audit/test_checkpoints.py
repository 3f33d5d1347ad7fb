"""The real sequencer seals what it writes: in time, over crashes, in new segments, and with keys that the auditor has got."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys

import checked_tree
import pytest
import segment_files
from waiting import PATIENCE_SECONDS, wait_until

from deepseek_local.audit import sequencer as sequencer_process
from deepseek_local.audit.client import append_once
from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def sealed(sequencer) -> int:
    """How many records the newest checkpoint has."""
    place = sequencer.log / "tlog/checkpoint"
    return int(place.read_text("utf-8").splitlines()[1]) if place.exists() else 0


def test_a_record_is_sealed_without_anything_that_follows_it(sequencer):
    sequencer.start()
    wait_until(lambda: sealed(sequencer) == 1)
    sequencer.append()
    wait_until(lambda: sealed(sequencer) == 3)
    assert sequencer.end()[0] == 0
    assert [each.size for each in checked_tree.check(sequencer.log, sequencer.place)] == [1, 3, 4]


def fork_sequencer(sequencer) -> int:
    child = os.fork()
    if not child:
        try:
            sequencer_process.run(sequencer.log, sequencer.place, sequencer.socket, node="gpu01")
        finally:
            os._exit(70)
    return child


def write_until(sequencer, limit: int) -> None:
    """Send more records than four checkpoints take, and return when so many are acknowledged."""
    lines = [b'{"cseq":%d,"kind":"admin","act":"test"}\n' % cseq for cseq in range(1, 5001)]
    with sequencer.connect() as stream, stream.makefile("rb") as answers:
        stream.sendall(b"".join(lines))
        for answer in answers:
            if json.loads(answer)["ack"] >= limit:
                return


def test_every_checkpoint_verifies_after_many_deaths(sequencer):
    """SIGKILL while checkpoints are made as fast as they can be."""
    chance = random.Random(2026)  # noqa: S311 -- the same points on every run
    for _ in range(20):
        child = fork_sequencer(sequencer)
        try:
            wait_until(sequencer.accepts)
            write_until(sequencer, chance.randrange(1, 5000))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    sequencer.start()
    assert sequencer.end()[0] == 0
    found = checked_tree.check(sequencer.log, sequencer.place)
    assert len(found) > 20
    assert found[-1].size == sum(1 for _ in segment_files.lines(sequencer.log))


def test_people_begin_a_new_segment_and_the_old_one_gets_compressed(sequencer, capsys):
    sequencer.start()
    options = ["--directory", str(sequencer.log), "--socket", str(sequencer.socket)]
    assert run(["audit", "rotate", *options]) == ExitCode.OK
    assert capsys.readouterr().out == f"{sequencer.log}/segment-000002.jsonl follows\n"
    wait_until(
        lambda: (
            (sequencer.log / "segment-000001.jsonl.gz").exists()
            and not (sequencer.log / "segment-000001.jsonl").exists()
        )
    )
    sequencer.append()
    records = sequencer.records()
    asked = next(record for record in records if record["kind"] == "admin")
    assert (asked["act"], asked["obj"]) == ("audit_rotate", "audit_log")
    assert [record["kind"] for record in records[-3:]] == ["segment_sealed", "client_hello", "admin"]
    assert sequencer.end()[0] == 0
    checked_tree.check(sequencer.log, sequencer.place)


def test_a_rotation_without_a_sequencer_fails(sequencer, capsys):
    sequencer.start()
    sequencer.end(signal.SIGKILL)
    options = ["--directory", str(sequencer.log), "--socket", str(sequencer.socket)]
    assert run(["audit", "rotate", *options]) == ExitCode.FAILED
    assert "cannot be reached" in capsys.readouterr().err


def test_the_auditor_gets_keys_before_the_first_start_or_after_it(make_sequencer, tmp_path, capsys):
    options = ["--directory", str(tmp_path / "log"), "--node", "gpu01", "--format", "json"]
    assert run(["audit", "init", *options]) == ExitCode.OK
    handed = json.loads(capsys.readouterr().out)
    sequencer = make_sequencer()
    sequencer.start()
    assert sequencer.end()[0] == 0
    assert checked_tree.check(sequencer.log, tmp_path, bytes.fromhex(handed["first_key"]))
    assert run(["audit", "init", *options]) == ExitCode.FAILED
    assert "cannot be shown again" in capsys.readouterr().err


@pytest.mark.parametrize("stdout", [">/dev/full", ">&-"])
def test_a_first_key_that_nobody_got_is_shown_again(tmp_path, stdout):
    init = [sys.executable, "-m", "deepseek_local", "audit", "init", "--directory", str(tmp_path / "log")]
    lost = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(init)} {stdout}"], capture_output=True, text=True, check=False
    )
    assert (lost.returncode, lost.stderr.count("\n")) == (ExitCode.FAILED, 1)
    assert "result" in lost.stderr
    shown = subprocess.run(init, capture_output=True, text=True, check=True).stdout
    assert f"first key     {shown.splitlines()[1].split()[-1]}" in shown
    assert not (tmp_path / "audit.mac.first").exists()


def test_a_running_sequencer_gives_its_first_key_away(sequencer, capsys):
    sequencer.start()
    assert run(["audit", "init", "--directory", str(sequencer.log)]) == ExitCode.OK
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("verifier key  gpu01/audit/")
    assert not (sequencer.place / "audit.mac.first").exists()
    key = bytes.fromhex(said.splitlines()[1].removeprefix("first key").strip())
    append_once(sequencer.socket, "admin", {"act": "test"}, PATIENCE_SECONDS)
    assert sequencer.end()[0] == 0
    checked_tree.check(sequencer.log, sequencer.place, key)
