"""The whole log as a tree of files that others read."""

import shutil

import pytest
from recursive_tree import root as recursive_root
from stored_log import StoredLog

from deepseek_local.cli.main import run
from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence.log import lines
from deepseek_local.evidence.tiles_export import export_tiles
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.tiles import WIDTH, TileReader, bundle_path, entries
from deepseek_local.tlog.tree import leaf, root_at

ORIGIN = "gpu01/audit/2026"


def stored(log) -> list[bytes]:
    return [line for _, line in lines(log.directory)]


def check_in(log) -> None:
    """Write the newest checkpoint, of all records."""
    newest = Checkpoint(ORIGIN, log.next_seq, recursive_root(stored(log)))
    (log.directory / "tlog").mkdir(exist_ok=True)
    data = note.sign(newest.text(), Ed25519Signer(ORIGIN, bytes(32))).encode()
    (log.directory / "tlog" / "checkpoint").write_bytes(data)


@pytest.fixture
def make_log(tmp_path):
    def make(size: int) -> StoredLog:
        log = StoredLog(tmp_path / "audit")
        while log.next_seq < size:
            log.append(min(299, size - log.next_seq))
            if log.next_seq < size:
                log.compress(log.rotate())
        check_in(log)
        return log

    return make


def read_back(place) -> tuple[Checkpoint, bytes, list[bytes]]:
    """Read a tree as a stranger does, from its files alone; return its checkpoint, its root by the tiles and its records."""
    newest = checkpoint.parse(note.parse((place / "checkpoint").read_bytes()).text)
    reader = TileReader(newest.size, lambda path: (place / path).read_bytes())
    records = []
    for number in range(-(-newest.size // WIDTH)):
        path = place / bundle_path(number, min(WIDTH, newest.size - number * WIDTH))
        records += entries(path.read_bytes()) if path.exists() else []
    return newest, root_at(newest.size, reader.hash_at), records


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 1000])
def test_a_stranger_finds_every_record_and_the_root_of_the_checkpoint(make_log, tmp_path, size):
    log = make_log(size)
    assert export_tiles(log.directory, tmp_path / "tree").size == size
    newest, root, records = read_back(tmp_path / "tree")
    assert (newest.size, newest.root, records) == (size, root, stored(log))
    files = {str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*") if path.is_file()}
    partial = {f"tile/0/{size // 256:03d}.p/{size % 256}", f"tile/entries/{size // 256:03d}.p/{size % 256}"}
    assert files >= (partial if size % 256 else {"tile/0/000", "tile/entries/000"})


def test_records_behind_the_checkpoint_are_left_for_the_next_export(make_log, tmp_path):
    log = make_log(300)
    log.append(10)
    assert export_tiles(log.directory, tmp_path / "tree").size == 300
    assert len(read_back(tmp_path / "tree")[2]) == 300


def test_pruned_records_are_covered_by_the_tiles_that_were_kept(make_log, tmp_path):
    log = make_log(1000)
    export_tiles(log.directory, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "tile", log.directory / "tlog" / "tile")
    (log.directory / "segment-000001.jsonl.gz").unlink()
    export_tiles(log.directory, tmp_path / "tree")
    newest, root, records = read_back(tmp_path / "tree")
    assert newest.root == root
    assert records == stored(log)[512 - 299 :]


def test_an_altered_record_does_not_get_into_a_tree(make_log, tmp_path):
    log = make_log(300)
    log.path.write_bytes(log.path.read_bytes().replace(b'"kind":"segment_sealed"', b'"kind":"segment_sealer"'))
    with pytest.raises(TamperedError, match="do not give the root of its newest checkpoint"):
        export_tiles(log.directory, tmp_path / "tree")
    assert not (tmp_path / "tree" / "checkpoint").exists()


def test_missing_records_are_noticed(make_log, tmp_path):
    log = make_log(300)
    log.path.unlink()
    with pytest.raises(TamperedError, match="has fewer records than the 300"):
        export_tiles(log.directory, tmp_path / "tree")


def test_a_directory_with_something_in_it_is_left_alone(make_log, tmp_path):
    with pytest.raises(AuditError, match="is not empty"):
        export_tiles(make_log(3).directory, tmp_path)


def test_a_log_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(AuditError, match=r"cannot read .*checkpoint"):
        export_tiles(tmp_path, tmp_path / "tree")


def test_the_command_says_what_it_wrote(make_log, tmp_path, capsys):
    log = make_log(3)
    arguments = ["audit", "export", "--directory", str(log.directory), "--tiles", str(tmp_path / "tree")]
    assert run(arguments) == 0
    assert capsys.readouterr().out == f"Wrote 3 records of {ORIGIN} to {tmp_path / 'tree'}.\n"
    assert leaf(stored(log)[0]) == (tmp_path / "tree" / "tile" / "0" / "000.p" / "3").read_bytes()[:32]


def test_what_is_exported_is_closed_to_others(make_log, tmp_path):
    log = make_log(300)
    check_in(log)
    export_tiles(log.directory, tmp_path / "out")
    modes = {
        path.stat().st_mode & 0o777 for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")] if path.is_dir()
    }
    assert modes == {0o750}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()} == {0o600}


def test_an_export_that_fails_leaves_no_checkpoint(make_log, tmp_path):
    log = make_log(300)
    check_in(log)
    log.path.write_bytes(log.path.read_bytes().replace(b'"pid":42', b'"pid":43', 1))
    with pytest.raises(TamperedError):
        export_tiles(log.directory, tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoint").exists()
