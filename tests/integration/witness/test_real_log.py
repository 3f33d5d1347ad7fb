"""The log of the real sequencer, which goes on writing while its checkpoints are witnessed."""

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from logs_to_witness import policy_text
from served import short_directory
from witness_process import WitnessProcess, submit

from deepseek_local.audit.client import append_once
from deepseek_local.errors import AuditError
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.keys import Verifier

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 20.0
AUDIT = [sys.executable, "-m", "deepseek_local", "audit"]


class Writer:
    """The sequencer of one log, as a process."""

    def __init__(self, place: Path) -> None:
        self.directory = place / "audit"
        self._socket = place / "audit.sock"
        where = ["--directory", str(self.directory), "--node", "gpu01"]
        done = subprocess.run([*AUDIT, "init", *where, "--format", "json"], capture_output=True, text=True, check=True)
        self.key = Verifier.parse(json.loads(done.stdout)["verifier_key"])
        self.process = subprocess.Popen(
            [*AUDIT, "serve", *where, "--socket", str(self._socket)], stderr=subprocess.DEVNULL
        )
        self.begun = False
        self._until_it_writes()

    def _until_it_writes(self) -> None:
        """Wait until a record was taken and sealed."""
        waited = threading.Event()
        for _ in range(int(PATIENCE_SECONDS / 0.05)):
            with contextlib.suppress(AuditError):
                if not self.begun:
                    self.append(0)
                self.begun = True
            if (self.directory / "tlog/checkpoint").exists():
                return
            waited.wait(0.05)
        raise AssertionError("the sequencer does not take and seal records")

    def append(self, number: int) -> None:
        append_once(self._socket, "admin", {"act": "test", "number": number}, PATIENCE_SECONDS)

    def size(self) -> int:
        """Records of the newest checkpoint."""
        return checkpoint.parse(note.parse((self.directory / "tlog/checkpoint").read_bytes()).text).size

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)


def test_a_log_that_is_written_meanwhile_is_cosigned_again_and_again(tmp_path):
    with short_directory() as place:
        writer = Writer(place)
        (tmp_path / "logs").write_text(f"log {writer.key}\nquorum none\n")
        witness = WitnessProcess(tmp_path / "w1", "w1", tmp_path / "logs")
        ended = threading.Event()

        def write() -> None:
            number = 0
            while not ended.is_set():
                writer.append(number := number + 1)

        thread = threading.Thread(target=write)
        try:
            witness.start()
            policy = tmp_path / "policy"
            text = policy_text([("w1", witness.key, witness.url)])
            policy.write_text(text.replace(text.splitlines()[0], f"log {writer.key}"))
            thread.start()
            sizes = []
            while len(set(sizes)) < 4:
                done = submit(writer.directory, policy, "--format", "json")
                assert done.code == 0, done.err
                sizes.append(json.loads(done.out)["size"])
            ended.set()
            thread.join()
            writer.end()
            done = submit(writer.directory, policy, "--format", "json")
            assert done.code == 0, done.err
            assert json.loads(done.out)["size"] == writer.size()
            assert sizes == sorted(sizes)
        finally:
            ended.set()
            witness.clean_up()
            writer.end()
