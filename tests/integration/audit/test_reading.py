"""What people read and take out of the log of a real sequencer, while it writes, rotates and compresses."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

from deepseek_local.audit import rotation
from deepseek_local.cli.main import run
from deepseek_local.evidence.log import lines
from deepseek_local.evidence.report import Verdict
from deepseek_local.evidence.tail import Tail
from deepseek_local.evidence.trust import Trust
from deepseek_local.evidence.verify import verify
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.keys import Verifier
from deepseek_local.tlog.tiles import TileReader
from deepseek_local.tlog.tree import root_at

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _home(sequencer, monkeypatch, tmp_path):
    """A home whose log is the sequencer's."""
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(sequencer.place))
    monkeypatch.setenv("DEEPSEEK_LOCAL_AUDIT__DIRECTORY", str(sequencer.log))
    monkeypatch.setenv("DEEPSEEK_LOCAL_AUDIT_DIRECTORY", str(sequencer.log))


@pytest.fixture
def trust(capsys) -> Trust:
    assert run(["audit", "init", "--node", "gpu01", "--format", "json"]) == 0
    handed = json.loads(capsys.readouterr().out)
    return Trust((Verifier.parse(handed["verifier_key"]),), bytes.fromhex(handed["first_key"]))


def seqs(found) -> list[int]:
    return [json.loads(line)["seq"] for line in found]


def rotated(sequencer) -> None:
    """Begin a segment, and wait until the one before is compressed."""
    old = sequencer.segments()[-1]
    rotation.rotate(sequencer.log, sequencer.socket)
    wait_until(lambda: not old.exists())


def test_a_follower_misses_nothing_when_segments_end_and_are_compressed(sequencer):
    sequencer.start()
    tail = Tail(sequencer.log)
    found = seqs(tail.last(1))
    for _ in range(3):
        for _ in range(20):
            sequencer.append()
        found += seqs(tail.new())
        sequencer.append()
        rotated(sequencer)
        sequencer.append()
    sequencer.end()
    found += seqs(tail.new())
    assert found == list(range(found[0], found[-1] + 1))
    assert found[-1] == seqs(line for _, line in lines(sequencer.log))[-1]


def test_an_export_that_follows_delivers_what_is_written_until_it_is_interrupted(sequencer, tmp_path):
    sequencer.start()
    target, state = tmp_path / "siem.jsonl", tmp_path / "state"
    places = ["--directory", sequencer.log, "--file", target, "--state", state]
    command = [sys.executable, "-m", "deepseek_local", "audit", "export", "--follow", *map(str, places)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as exporter:
        wait_until(state.exists)
        sequencer.append()
        sequencer.append()
        wait_until(lambda: json.loads(state.read_bytes())["last"] == 4)
        exporter.send_signal(signal.SIGINT)
        assert exporter.wait(20) == 130
        assert exporter.stderr.read().strip() == b""
    assert target.read_bytes() == sequencer.segments()[-1].read_bytes()


def test_the_log_of_a_sequencer_can_be_read_as_tiles(sequencer, trust, tmp_path):
    sequencer.start()
    for _ in range(150):
        sequencer.append()
    rotated(sequencer)
    sequencer.end()
    tree = tmp_path / "tree"
    assert run(["audit", "export", "--tiles", str(tree)]) == 0
    signed = note.parse((tree / "checkpoint").read_bytes())
    assert note.verify(signed, trust.verifiers).right
    newest = checkpoint.parse(signed.text)
    assert newest.size > 300
    assert root_at(newest.size, TileReader(newest.size, lambda path: (tree / path).read_bytes()).hash_at) == newest.root


def test_a_log_that_was_pruned_goes_on_and_verifies(sequencer, trust, tmp_path):
    sequencer.start()
    for _ in range(2):
        sequencer.append()
        rotated(sequencer)
    periods = ["--set", "audit.retention_days=1", "--set", "audit.online_days=0"]
    assert run(["audit", "prune", "--archive", str(tmp_path / "archive"), "--yes", *periods]) == 0
    assert names(sequencer.log) == ["segment-000003.jsonl"]
    assert names(tmp_path / "archive") == ["segment-000001.jsonl.gz", "segment-000002.jsonl.gz"]
    sequencer.end()
    sequencer.start()
    sequencer.append()
    sequencer.end()
    kept = [json.loads(line) for _, line in lines(sequencer.log)]
    declared = next(record for record in kept if record.get("act") == "audit_prune")
    assert declared["attr"]["last"] == kept[0]["seq"] - 1
    report = verify(sequencer.log, trust)
    assert (report.verdict, report.problems, report.pruned_records) == (Verdict.INTACT, (), kept[0]["seq"])


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("segment-*"))
