"""Which segments go, and what is left of them."""

import contextlib
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stored_log import StoredLog

from deepseek_local.audit import compression
from deepseek_local.cli.main import run
from deepseek_local.errors import AuditError, ExitCode, TamperedError
from deepseek_local.evidence import prune
from deepseek_local.evidence.log import lines
from deepseek_local.evidence.prunable import plan

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def day(number: int) -> str:
    return f"2026-01-{number:02d}T12:00:00.000000Z"


@pytest.fixture
def log(tmp_path):
    """Segments 1 to 5, written on the days 1 to 5 of January; the first two are compressed."""
    log = StoredLog(tmp_path / "home" / "audit")
    log.append(3, moment=day(1))
    for number in range(2, 6):
        log.rotate(day(number))
        log.append(2, moment=day(number))
    for number in (1, 2):
        log.compress(log.directory / f"segment-{number:06d}.jsonl")
    (log.directory / "checkpoints.jsonl").write_bytes(b"{}\n")
    return log


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir(exist_ok=True)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")


def names(log) -> list[str]:
    return sorted(path.name for path in log.directory.iterdir())


def planned(log, before: str) -> list[int]:
    return [each.segment.number for each in plan(log.directory, before)]


@pytest.mark.parametrize(
    ("before", "numbers"), [(1, []), (2, []), (3, [1]), (4, [1, 2]), (6, [1, 2, 3, 4]), (9, [1, 2, 3, 4])]
)
def test_segments_go_from_the_beginning_when_they_and_their_seals_are_old_enough(log, before, numbers):
    assert planned(log, day(before)) == numbers


def test_one_young_record_keeps_its_segment_and_all_after_it(log):
    path = log.directory / "segment-000003.jsonl"
    before, _, after = path.read_bytes().rpartition(day(3).encode())
    path.write_bytes(before + day(9).encode() + after)
    assert planned(log, day(9)) == [1, 2]


def test_an_altered_segment_stays_as_evidence(log):
    path = log.directory / "segment-000003.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"pid":42', b'"pid":43', 1))
    assert planned(log, day(4)) == [1, 2]
    with pytest.raises(TamperedError, match=r"segment-000003.jsonl is not what record \d+ sealed"):
        plan(log.directory, day(9))


def test_a_segment_without_a_seal_stays(log):
    path = log.directory / "segment-000004.jsonl"
    path.write_bytes(
        path.read_bytes().replace(b'"segment":"segment-000003.jsonl"', b'"segment":"segment-000009.jsonl"')
    )
    with pytest.raises(AuditError, match="no record seals"):
        plan(log.directory, day(9))


def test_what_goes_is_declared_and_the_rest_stays(log):
    chosen = plan(log.directory, day(4))
    prune.remove(log.directory, chosen, NOW, "os:auditor")
    assert names(log) == [
        "checkpoints.jsonl",
        "pruned.jsonl",
        "segment-000003.jsonl",
        "segment-000004.jsonl",
        "segment-000005.jsonl",
    ]
    (declared,) = map(json.loads, (log.directory / "pruned.jsonl").read_bytes().splitlines())
    assert (declared["first"], declared["last"], declared["by"]) == (0, 5, "os:auditor")
    assert declared["ts"] == "2026-11-24T12:00:00.000000Z"
    seals = [record for _, line in lines(log.directory) if (record := json.loads(line))["kind"] == "segment_sealed"]
    assert [each["name"] for each in declared["segments"]] == ["segment-000001.jsonl", "segment-000002.jsonl"]
    assert declared["segments"][1]["digest"] == seals[0]["digest"]
    prune.remove(log.directory, plan(log.directory, day(9)), NOW, "os:auditor")
    declared = [json.loads(line) for line in (log.directory / "pruned.jsonl").read_bytes().splitlines()]
    assert [(each["first"], each["last"]) for each in declared] == [(0, 5), (6, 11)]


def test_an_archive_gets_the_files_before_they_go(log, tmp_path):
    chosen = plan(log.directory, day(4))
    before = {each.segment.number: prune.files(each.segment)[0].read_bytes() for each in chosen}
    prune.archive(chosen, tmp_path / "archive")
    copies = {1: "segment-000001.jsonl.gz", 2: "segment-000002.jsonl.gz"}
    assert {number: (tmp_path / "archive" / name).read_bytes() for number, name in copies.items()} == before
    assert len(list(lines(tmp_path / "archive"))) == 6


def test_an_archive_is_filled_up_and_never_overwritten(log, tmp_path):
    chosen = plan(log.directory, day(4))
    prune.archive(chosen[:1], tmp_path / "archive")
    prune.archive(chosen, tmp_path / "archive")
    other = tmp_path / "archive" / "segment-000002.jsonl.gz"
    other.unlink()
    other.write_bytes((tmp_path / "archive" / "segment-000001.jsonl.gz").read_bytes())
    with pytest.raises(AuditError, match=r"archive holds another segment-000002\.jsonl"):
        prune.archive(chosen, tmp_path / "archive")
    assert names(log)[1:3] == ["segment-000001.jsonl.gz", "segment-000002.jsonl.gz"]


def test_an_archive_is_closed_to_others_even_while_a_copy_is_written(log, tmp_path, monkeypatch):
    seen = []

    def copy(source, target, _):
        (draft,) = (tmp_path / "archive").glob(".segment-*.new")
        seen.append(draft.stat().st_mode & 0o777)
        target.write(source.read())

    monkeypatch.setattr(prune.shutil, "copyfileobj", copy)
    prune.archive(plan(log.directory, day(3)), tmp_path / "archive")
    assert (seen, (tmp_path / "archive").stat().st_mode & 0o777) == ([0o600], 0o750)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "archive").iterdir()] == [0o440]


def test_a_copy_that_was_stopped_has_no_name(log, tmp_path, monkeypatch):
    def stop(source, target, _):
        target.write(source.read(10))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prune.shutil, "copyfileobj", stop)
    with pytest.raises(AuditError, match="nothing was pruned"):
        prune.archive(plan(log.directory, day(3)), tmp_path / "archive")
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "archive").iterdir()] == [".segment-000001.jsonl.gz.new"]
    prune.archive(plan(log.directory, day(3)), tmp_path / "archive")
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["segment-000001.jsonl.gz"]


@pytest.mark.parametrize("kind", ["link", "pipe", "twin"])
def test_an_archive_with_something_else_in_it_is_refused(log, tmp_path, kind):
    archive = tmp_path / "archive"
    archive.mkdir()
    match kind:
        case "link":
            (archive / "segment-000001.jsonl.gz").symlink_to(log.directory / "segment-000001.jsonl.gz")
        case "pipe":
            os.mkfifo(archive / "segment-000001.jsonl.gz")
        case "twin":
            (archive / "segment-000001.jsonl").write_bytes(b"")
    with pytest.raises(TamperedError):
        prune.archive(plan(log.directory, day(3)), archive)


@pytest.mark.parametrize("step", ["_write", "_digest"])
def test_a_segment_that_is_just_compressed_does_not_come_back(log, monkeypatch, step):
    """A compressor begins after the records are declared gone, and is still at it when the files have gone."""
    chosen = plan(log.directory, day(5))
    gone, begun = threading.Event(), threading.Event()
    append, work = prune._append, getattr(compression, step)

    def compress() -> None:
        with contextlib.suppress(AuditError):
            compression.compress(log.directory / "segment-000003.jsonl", threading.Event())

    def wait(*arguments: object) -> bytes:
        result = work(*arguments)
        begun.set()
        gone.wait()
        return result

    compressor = threading.Thread(target=compress)

    def append_then_compress(path: Path, line: bytes) -> None:
        append(path, line)
        compressor.start()
        begun.wait()

    monkeypatch.setattr(prune, "_append", append_then_compress)
    monkeypatch.setattr(compression, step, wait)
    prune.remove(log.directory, chosen, NOW, "os:auditor")
    gone.set()
    compressor.join()
    assert names(log) == ["checkpoints.jsonl", "pruned.jsonl", "segment-000004.jsonl", "segment-000005.jsonl"]


def test_the_draft_of_a_dead_compressor_goes_with_its_segment(log):
    (log.directory / ".segment-000001.jsonl.gz.new").touch()
    prune.remove(log.directory, plan(log.directory, day(3)), NOW, "os:auditor")
    assert not [name for name in names(log) if "000001" in name]


def test_the_command_shows_what_it_would_do_and_does_nothing(log, capsys):
    before = names(log)
    assert run(["audit", "prune", "--set", "audit.retention_days=30", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["done"]
    assert [each["segment"] for each in told["segments"]] == [f"segment-{number:06d}.jsonl" for number in range(1, 5)]
    assert names(log) == before


def test_the_command_keeps_what_is_not_old_enough(log, capsys):
    assert run(["audit", "prune", "--set", "audit.retention=hipaa", "--yes"]) == 0
    assert "No sealed segment at the beginning of the log is older than" in capsys.readouterr().out
    assert "segment-000001.jsonl.gz" in names(log)


@pytest.mark.parametrize("archive", [[], ["--archive", "archive"]])
def test_nothing_goes_without_a_record_of_it(log, capsys, tmp_path, monkeypatch, archive):
    monkeypatch.chdir(tmp_path)
    before = names(log)
    assert run(["audit", "prune", "--set", "audit.retention_days=30", "--yes", *archive]) == ExitCode.FAILED
    assert "nothing runs on" in capsys.readouterr().err
    assert names(log) == before


def test_a_profile_that_says_nothing_lets_nothing_go(log, capsys):
    assert run(["audit", "prune", "--yes"]) == ExitCode.FAILED
    assert "set audit.retention or audit.retention_days" in capsys.readouterr().err
    assert "segment-000001.jsonl.gz" in names(log)


def test_a_profile_below_its_regime_lets_nothing_go(log, capsys):
    sets = ["--set", "audit.retention=mlps", "--set", "audit.retention_days=30"]
    assert run(["audit", "prune", "--yes", *sets]) == ExitCode.PROFILE_INVALID
    assert "retention_days (30) is below the 183 that mlps demands" in capsys.readouterr().err
    assert "segment-000001.jsonl.gz" in names(log)
