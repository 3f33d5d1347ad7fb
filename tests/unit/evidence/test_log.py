import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_local.audit.record import RECORD_LIMIT
from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence.log import Place, Segment, lines, segments, seq_of


def line(seq: int) -> bytes:
    return b'{"kind":"admin","seq":%d}\n' % seq


@pytest.fixture
def directory(tmp_path):
    """Records 0 to 8 in three segments, the second one compressed."""
    for number in range(3):
        data = b"".join(map(line, range(number * 3, number * 3 + 3)))
        name = f"segment-{number + 1:06d}.jsonl"
        if number == 1:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (tmp_path / name).write_bytes(data)
    (tmp_path / "checkpoints.jsonl").write_bytes(b"{}\n")
    return tmp_path


def seqs(directory, since: int = 0) -> list[int]:
    return [json.loads(line)["seq"] for _, line in lines(directory, since)]


def test_records_come_in_order_over_plain_and_compressed_segments(directory):
    assert seqs(directory) == list(range(9))


@pytest.mark.parametrize("since", range(11))
def test_reading_begins_with_any_record(directory, since):
    assert seqs(directory, since) == list(range(since, 9))


def test_an_offset_counts_uncompressed_bytes(directory):
    assert [place for place, _ in lines(directory)][3:5] == [
        Place("segment-000002.jsonl", 0),
        Place("segment-000002.jsonl", len(line(3))),
    ]


def test_a_place_reads_well():
    assert str(Place("segment-000002.jsonl", 25)) == "segment-000002.jsonl at byte 25"


def test_a_torn_last_line_is_left_out(directory):
    with (directory / "segment-000003.jsonl").open("ab") as stream:
        stream.write(line(9)[:-1])
    assert seqs(directory) == list(range(9))


def test_a_segment_that_begins_empty_hides_no_other(directory):
    (directory / "segment-000004.jsonl").touch()
    assert seqs(directory, 7) == [7, 8]


def test_a_line_without_end_comes_in_parts(directory):
    (directory / "segment-000004.jsonl").write_bytes(b"x" * (3 * RECORD_LIMIT))
    assert max(map(len, Segment(directory, 4).pieces())) == RECORD_LIMIT + 1


def test_a_segment_that_is_compressed_meanwhile_is_found(directory):
    plain, *_ = segments(directory)
    path = directory / plain.name
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert list(plain.pieces()) == [line(0), line(1), line(2)]


def test_a_segment_that_gets_its_compressed_name_while_it_is_listed_is_not_missing(tmp_path, monkeypatch):
    """As with a directory so large that the kernel lists it in parts: the new name stands in one that was read already."""
    names = [f"segment-{number:06d}.jsonl" for number in (1, 2, 3)]
    for name in names:
        (tmp_path / name).touch()
    listed = Path.iterdir

    def list_in_parts(directory: Path) -> Iterator[Path]:
        before = sorted(listed(directory))
        if (plain := directory / names[1]).exists():
            plain.rename(directory / f"{names[1]}.gz")
        yield from (place for place in before if place.exists())

    monkeypatch.setattr(Path, "iterdir", list_in_parts)
    assert [segment.name for segment in segments(tmp_path)] == names


@pytest.mark.parametrize("cut", [1, 5, 12, 30])
def test_a_compressed_segment_that_is_cut_short_is_tampered_with(directory, cut):
    path = directory / "segment-000002.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(TamperedError, match=r"segment-000002\.jsonl\.gz cannot be uncompressed .* restore it"):
        seqs(directory)


def test_a_directory_that_is_not_there_is_said(tmp_path):
    with pytest.raises(AuditError, match=r"cannot list .* name the directory of the audit log"):
        seqs(tmp_path / "audit")


@pytest.mark.parametrize("data", [b"", b"{", b"[1]\n", b'{"seq":"1"}\n', b"\xff\n", b"[" * 5000])
def test_what_is_no_record_has_no_number(data):
    assert seq_of(data) is None
