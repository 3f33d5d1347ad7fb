"""Whatever happens to a small log, verification notices: every byte, every line, every length, every file (exhaustive)."""

import functools
import gzip
import itertools
from collections.abc import Iterator

import pytest
import sealed_log

from deepseek_local.evidence.report import Report, Verdict
from deepseek_local.evidence.verify import verify
from deepseek_local.tlog.keys import Verifier

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log that is intact; whoever spoils it puts it back."""
    made = sealed_log.make(tmp_path_factory.mktemp("home"))
    report = verify(made.directory, made.trust)
    assert (report.verdict, report.problems, report.checkpoints) == (Verdict.INTACT, (), 7)
    return made


@pytest.fixture(scope="module")
def keys(log):
    return log.trust


@pytest.fixture(autouse=True, scope="module")
def _remembered():
    """Ask for the same signature only once: nearly all checkpoints stay as they are, and this is most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verifier, "verify", functools.cache(Verifier.verify))
        yield


FILES = ("segment-000001.jsonl.gz", "segment-000002.jsonl", "segment-000003.jsonl", "checkpoints.jsonl", "tlog/checkpoint", "tlog/tile/0/000.p/37")  # fmt: skip
"""All that counts: the rest are tiles of earlier checkpoints."""
LINES = FILES[:4]


class Spoiler:
    """Writes one file of the log anew, and tells what verification says."""

    def __init__(self, log, keys, name: str) -> None:
        self.path = log.directory / name
        self.content = self.path.read_bytes()
        self._log, self._keys = log, keys

    def report(self, content: bytes | None) -> Report:
        try:
            self.path.unlink()
            if content is not None:
                self.path.write_bytes(content)
            return verify(self._log.directory, self._keys)
        finally:
            self.path.unlink(missing_ok=True)
            self.path.write_bytes(self.content)

    def says_the_same(self, content: bytes) -> bool:
        """Some bits of a compressed file mean nothing: the time in its header, the padding at its end; but none can be added or left out."""
        is_as_long = len(content) == len(self.content)
        return self.path.suffix == ".gz" and is_as_long and _uncompressed(content) == gzip.decompress(self.content)

    def undetected(self, spoilt: Iterator[bytes]) -> list[bytes]:
        return [content for content in spoilt if not self._is_detected(content)]

    def _is_detected(self, content: bytes) -> bool:
        report = self.report(content)
        return (report.verdict is not Verdict.INTACT and len(report.problems) > 0) or self.says_the_same(content)


def _uncompressed(content: bytes) -> bytes | None:
    try:
        return gzip.decompress(content)
    except Exception:  # noqa: BLE001 -- whatever it is, this is no longer a compressed file
        return None


@pytest.fixture(params=FILES)
def spoiler(request, log, keys):
    return Spoiler(log, keys, request.param)


def test_no_byte_can_be_flipped(spoiler):
    content = spoiler.content

    def flipped(at: int) -> bytes:
        return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]

    assert spoiler.undetected(map(flipped, range(len(content)))) == []


def test_no_file_can_be_cut_anywhere(spoiler):
    assert spoiler.undetected(spoiler.content[:length] for length in range(len(spoiler.content))) == []


def test_no_file_can_be_missing(spoiler):
    assert spoiler.report(None).verdict is not Verdict.INTACT


def test_nothing_can_be_added_to_a_file(spoiler):
    assert spoiler.undetected(iter([spoiler.content + b"x", spoiler.content * 2])) == []


@pytest.fixture(params=LINES)
def book(request, log, keys):
    return Spoiler(log, keys, request.param)


def _lines(spoiler: Spoiler) -> list[bytes]:
    is_compressed = spoiler.path.suffix == ".gz"
    return (gzip.decompress(spoiler.content) if is_compressed else spoiler.content).splitlines(keepends=True)


def _joined(spoiler: Spoiler, lines: list[bytes]) -> bytes:
    return gzip.compress(b"".join(lines)) if spoiler.path.suffix == ".gz" else b"".join(lines)


def test_no_line_can_be_deleted(book):
    lines = _lines(book)
    assert book.undetected(_joined(book, lines[:at] + lines[at + 1 :]) for at in range(len(lines))) == []


def test_no_line_can_be_written_twice(book):
    lines = _lines(book)
    places = itertools.product(range(len(lines)), range(len(lines) + 1))
    assert book.undetected(_joined(book, [*lines[:to], lines[at], *lines[to:]]) for at, to in places) == []


def test_no_two_lines_can_change_places(book):
    lines = _lines(book)

    def swapped(one: int, other: int) -> list[bytes]:
        new = list(lines)
        new[one], new[other] = new[other], new[one]
        return new

    pairs = itertools.combinations(range(len(lines)), 2)
    assert book.undetected(_joined(book, swapped(one, other)) for one, other in pairs) == []
