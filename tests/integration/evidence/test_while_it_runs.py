"""Verification beside the real sequencer: what is being written is never taken for a fault, what a crash left never for intact."""

import signal
import subprocess
import sys
import threading

import pytest
from served import short_directory
from waiting import PATIENCE_SECONDS, wait_until

from deepseek_local.audit import seal
from deepseek_local.audit.client import append_once
from deepseek_local.evidence import checkpoints, proofs, trust
from deepseek_local.evidence.log import lines
from deepseek_local.evidence.report import Verdict
from deepseek_local.evidence.verify import verify

pytestmark = pytest.mark.integration


class Deployment:
    """A sequencer with its keys, and clients that keep it busy."""

    def __init__(self, home) -> None:
        self.directory, self.keys, self.socket = home / "audit", home / "keys", home / "audit.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = ["--directory", str(self.directory), "--keys", str(self.keys), "--socket", str(self.socket)]
        command = [sys.executable, "-m", "deepseek_local", "audit", "serve", *where, "--node", "gpu01"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            self.append()
        except Exception:  # noqa: BLE001 -- not there yet, whatever the reason
            return False
        return True

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def append(self) -> None:
        append_once(self.socket, "admin", {"act": "test"}, PATIENCE_SECONDS)

    @property
    def trust(self) -> trust.Trust:
        return trust.read([str(seal.read(self.keys).signer.verifier)], self.keys / seal.FIRST_KEY)


@pytest.fixture
def deployment():
    with short_directory() as home:
        running = Deployment(home)
        running.start()
        yield running
        running.end(signal.SIGKILL)


@pytest.fixture
def traffic(deployment):
    """Clients that write until the test is over."""
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            deployment.append()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    yield
    over.set()
    for writer in writers:
        writer.join()


@pytest.mark.usefixtures("traffic")
def test_a_log_that_is_written_is_intact_at_every_moment(deployment):
    keys, sealed = deployment.trust, set()
    while len(sealed) < 4:  # over several checkpoints
        report = verify(deployment.directory, keys)
        assert (report.verdict, report.problems) == (Verdict.INTACT, ())
        sealed.add(report.sealed_records)


@pytest.mark.usefixtures("traffic")
def test_records_of_a_log_that_is_written_can_be_proved(deployment):
    keys, proved = deployment.trust, set()
    while len(proved) < 4:
        if (newest := checkpoints.newest(deployment.directory, keys)) is None:
            continue
        seq = newest.checkpoint.size - 1
        record, _ = proofs.check(proofs.prove(deployment.directory, keys, seq), keys, "proof")
        assert record == next(lines(deployment.directory, seq))[1]
        proved.add(seq)


def test_after_an_end_in_order_everything_is_sealed(deployment):
    deployment.end(signal.SIGTERM)
    report = verify(deployment.directory, deployment.trust)
    assert (report.verdict, report.unsealed_records) == (Verdict.INTACT, 0)


def test_after_a_kill_the_end_is_not_sealed_until_the_next_start(deployment):
    deployment.append()
    deployment.end(signal.SIGKILL)
    keys = trust.read([str(seal.read(deployment.keys).signer.verifier)])
    report = verify(deployment.directory, keys)
    assert report.verdict is Verdict.INCOMPLETE
    assert all("tart the sequencer" in problem.message for problem in report.problems)
    deployment.start()
    assert verify(deployment.directory, keys).verdict is Verdict.INTACT
    deployment.end(signal.SIGTERM)
    assert verify(deployment.directory, keys).verdict is Verdict.INTACT
