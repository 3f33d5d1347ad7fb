"""Files put in each other's place, an older state put back, and checkpoints made by somebody who took the host over."""

import shutil

import pytest
import sealed_log

from deepseek_local.audit import seal
from deepseek_local.errors import ExitCode, TamperedError
from deepseek_local.evidence import checkpoints
from deepseek_local.evidence.checkpoints import Checkpoints
from deepseek_local.evidence.report import EXIT_CODES, Verdict
from deepseek_local.evidence.trust import Trust
from deepseek_local.evidence.verify import verify
from deepseek_local.evidence.window import Window
from deepseek_local.tlog import note as notes
from deepseek_local.tlog.evolving import EvolvingMac, key_at
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.note import Note

pytestmark = pytest.mark.integration


@pytest.fixture
def log(tmp_path):
    return sealed_log.make(tmp_path)


def stops(log) -> list[checkpoints.Stop]:
    return list(Checkpoints(log.directory, log.trust).read())


def keep_checkpoints(log, count: int) -> None:
    """Forget all checkpoints but the first, and show the last of these to others."""
    path = log.directory / checkpoints.NAME
    kept = path.read_bytes().splitlines(keepends=True)[:count]
    (log.directory / checkpoints.NEWEST).unlink()
    (log.directory / checkpoints.NEWEST).write_bytes(stops(log)[count - 1].note.encode())
    path.write_bytes(b"".join(kept))


@pytest.mark.parametrize(("one", "other"), [(1, 2), (1, 3), (2, 3)])
def test_segments_cannot_be_swapped(log, one, other):
    log.uncompress(1)
    first, second = log.segment(one).read_bytes(), log.segment(other).read_bytes()
    for number, content in ((one, second), (other, first)):
        log.segment(number).unlink()
        log.segment(number).write_bytes(content)
    report = verify(log.directory, log.trust)
    assert report.verdict is Verdict.TAMPERED
    assert report.problems[0].file == log.segment(one).name


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_segment_is_found(log, number):
    log.uncompress(1)
    log.segment(number).unlink()
    assert verify(log.directory, log.trust).verdict is not Verdict.INTACT


def test_every_older_checkpoint_that_is_shown_is_found(log):
    for stop in stops(log)[:-1]:
        (log.directory / checkpoints.NEWEST).unlink()
        (log.directory / checkpoints.NEWEST).write_bytes(stop.note.encode())
        report = verify(log.directory, log.trust)
        assert report.verdict is Verdict.INCOMPLETE
        assert f"is for {stop.checkpoint.size} records and not the newest" in report.problems[-1].message


def test_checkpoints_that_are_cut_off_are_found_by_the_one_that_is_shown(log):
    path = log.directory / checkpoints.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    for count in range(len(lines)):
        path.write_bytes(b"".join(lines[:count]))
        assert verify(log.directory, log.trust).verdict is Verdict.TAMPERED


def test_checkpoints_that_are_cut_off_everywhere_leave_records_without_seal(log):
    total = len(stops(log))
    for count in reversed(range(1, total)):
        keep_checkpoints(log, count)
        report = verify(log.directory, log.trust)
        assert report.verdict is Verdict.INCOMPLETE
        assert "not yet sealed" in report.problems[0].message


def test_a_whole_older_state_is_found_by_whoever_kept_a_newer_checkpoint(log, tmp_path):
    older = log.copy(tmp_path / "older")
    writer = log.open()
    log.take(writer, [sealed_log.decision(1, pid=99)])
    writer.stop("SIGTERM")
    writer.close()
    shutil.copy(log.directory / checkpoints.NEWEST, tmp_path / "kept")
    kept = checkpoints.read_note(tmp_path / "kept", log.trust)

    assert verify(older.directory, log.trust).verdict is Verdict.INTACT
    report = verify(older.directory, log.trust, Window(trusted=kept))
    assert report.verdict is Verdict.TAMPERED
    assert f"was signed for {kept.checkpoint.size} records, but the log ends" in report.problems[0].message


class Thief:
    """Somebody who has copied both keys of a host, after so many checkpoints."""

    def __init__(self, log, sealed: int) -> None:
        self._log = log
        self._signer = Ed25519Signer(log.trust.origin, (log.keys / seal.SEED).read_bytes())
        self.mac = EvolvingMac(key_at((log.keys / seal.FIRST_KEY).read_bytes(), sealed), sealed)

    def sign(self, text: str, mac: EvolvingMac) -> Note:
        note = notes.sign(text, self._signer)
        return Note(text, (*note.signatures, mac.signature(self._log.trust.origin, text)))

    def rewrite(self, index: int, mac: EvolvingMac) -> None:
        """Put another seal on a checkpoint, with both keys; the text stays, as for one record changed it would not."""
        written = stops(self._log)
        changed = [self.sign(stop.note.text, mac) if at == index else stop.note for at, stop in enumerate(written)]
        self._log.write_checkpoints(changed)


def test_a_checkpoint_of_the_past_cannot_be_sealed_anew_with_a_later_key(log):
    total = len(stops(log))
    for index in range(total):
        spoilt = log.copy(log.home.parent / f"{log.home.name}-{index}")
        Thief(spoilt, total).rewrite(index, Thief(spoilt, total).mac)
        report = verify(spoilt.directory, log.trust)
        assert report.verdict is Verdict.TAMPERED
        assert f"does not carry the MAC of its place, {index}" in report.problems[0].message
        without = Trust(log.trust.verifiers)
        assert (verify(spoilt.directory, without).verdict is Verdict.INTACT) is (index < total - 1)


def test_what_is_sealed_with_the_keys_of_its_own_time_is_intact(log):
    for index in range(len(stops(log))):
        Thief(log, index).rewrite(index, Thief(log, index).mac)
        assert verify(log.directory, log.trust).verdict is Verdict.INTACT


def test_another_log_under_the_same_name_is_refused(log, tmp_path):
    (tmp_path / "other").mkdir()
    other = sealed_log.make(tmp_path / "other")
    report = verify(other.directory, log.trust)
    assert report.verdict is Verdict.TAMPERED
    assert "not signed by the key" in report.problems[0].message
    with pytest.raises(TamperedError, match="is not signed by the key of"):
        checkpoints.newest(other.directory, log.trust)


def test_the_exit_codes_are_those_of_the_interface():
    assert EXIT_CODES == {
        Verdict.INTACT: ExitCode.OK,
        Verdict.TAMPERED: ExitCode.VERIFICATION_FAILED,
        Verdict.INCOMPLETE: ExitCode.VERIFICATION_INCOMPLETE,
    }
