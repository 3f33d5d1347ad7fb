"""Some thousand records with full tiles: faults at random places, the same ones in every run, are noticed and named."""

import itertools
import random

import pytest
import sealed_log

from deepseek_local.audit.record import LOCK_NAME
from deepseek_local.evidence.checkpoints import NAME
from deepseek_local.evidence.report import Verdict
from deepseek_local.evidence.verify import verify

pytestmark = pytest.mark.integration

SAMPLES = 60


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log that is intact; whoever spoils it puts it back."""
    made = sealed_log.SealedLog(tmp_path_factory.mktemp("home"))
    writer = made.open(segment_bytes=200_000)
    made.take(writer, [sealed_log.hello()])
    for first in range(1, 2_500, 125):
        made.take(writer, [sealed_log.decision(cseq) for cseq in range(first, first + 125)])
    writer.stop("SIGTERM")
    writer.close()
    assert verify(made.directory, made.trust).verdict is Verdict.INTACT
    return made


@pytest.fixture
def chance():
    return random.Random(20261124)  # noqa: S311 -- chosen once, not secret


def verdict(log, path, content: bytes):
    """Verify the log with another content of one file."""
    original = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    try:
        return verify(log.directory, log.trust)
    finally:
        path.write_bytes(original)


def test_a_flipped_bit_anywhere_is_noticed(log, chance):
    newest = verify(log.directory, log.trust).sealed_records
    files = [path for path in log.directory.rglob("*") if path.is_file() and path.parent.suffix != ".p"]
    files.remove(log.directory / LOCK_NAME)  # it is empty
    files += [path for path in log.directory.rglob("*.p/*") if path.name == str(newest % 256)]
    for _ in range(SAMPLES):
        path = chance.choice(files)
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        assert verdict(log, path, bytes(content)).verdict is not Verdict.INTACT


def test_a_changed_record_is_named(log, chance):
    for _ in range(SAMPLES):
        path = log.segment(chance.choice([1, 2, 3]))
        lines = path.read_bytes().splitlines(keepends=True)
        at = chance.randrange(len(lines))
        changed = lines[at].replace(b'"dec":"allow"', b'"dec":"admit"')
        if changed != lines[at]:
            offset = len(b"".join(lines[:at]))
            report = verdict(log, path, b"".join([*lines[:at], changed, *lines[at + 1 :]]))
            assert (report.problems[0].file, report.problems[0].offset) == (path.name, offset)


@pytest.mark.parametrize("name", ["segment-000002.jsonl", NAME])
def test_lines_that_are_lost_doubled_or_moved_are_noticed(log, chance, name):
    path = log.directory / name
    lines = path.read_bytes().splitlines(keepends=True)
    for _ in range(SAMPLES // 3):
        one, other = sorted(chance.sample(range(len(lines)), 2))
        for spoilt in (
            [*lines[:one], *lines[one + 1 :]],
            [*lines[:other], lines[one], *lines[other:]],
            [*lines[:one], lines[other], *lines[one + 1 : other], lines[one], *lines[other + 1 :]],
            lines[:other],
        ):
            assert verdict(log, path, b"".join(spoilt)).verdict is not Verdict.INTACT


def test_segments_cannot_be_swapped(log):
    for one, other in itertools.combinations((1, 2, 3), 2):
        first, second = log.segment(one).read_bytes(), log.segment(other).read_bytes()
        log.segment(other).unlink()
        log.segment(other).write_bytes(first)
        assert verdict(log, log.segment(one), second).verdict is Verdict.TAMPERED
        log.segment(other).write_bytes(second)
