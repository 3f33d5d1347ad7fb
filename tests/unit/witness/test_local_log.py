"""Proofs from the tiles of a log that goes on while it is read."""

import pytest
from logs_to_witness import GrowingLog

from deepseek_local.errors import AuditError
from deepseek_local.tlog import checkpoint
from deepseek_local.tlog.tree import consistency_proof
from deepseek_local.witness.local_log import LocalLog

OLD, NEW = 70, 300


@pytest.fixture
def log(tmp_path):
    return GrowingLog(tmp_path / "log")


def test_the_newest_checkpoint_is_that_of_the_log(log):
    log.grow(3)
    newest = log.grow(5)
    assert LocalLog(log.directory).newest() == newest


@pytest.mark.parametrize("old", [0, 1, 70, 255, 256, 257, 299, 300])
def test_a_proof_is_the_one_of_the_tree(log, old):
    new = checkpoint.parse(log.grow(NEW).text)
    assert list(LocalLog(log.directory).proof(old, new)) == consistency_proof(old, NEW, log.hash_at)


@pytest.mark.parametrize("later", [75, 256, 300])
def test_a_partial_tile_that_grew_still_serves_the_checkpoint_before(log, later):
    new = checkpoint.parse(log.grow(OLD).text)
    log.grow(later)
    (log.directory / f"tlog/tile/0/000.p/{OLD}").unlink()
    if later > 256:
        (log.directory / "tlog/tile/0/000.p").rmdir()
    assert list(LocalLog(log.directory).proof(3, new)) == consistency_proof(3, OLD, log.hash_at)


def test_a_missing_tile_is_named(log):
    new = checkpoint.parse(log.grow(OLD).text)
    (log.directory / f"tlog/tile/0/000.p/{OLD}").unlink()
    with pytest.raises(AuditError, match=r"tile/0/000\.p/70 is missing"):
        LocalLog(log.directory).proof(3, new)


def test_damaged_tiles_are_not_shown_to_a_witness_as_if_the_log_were_forged(log):
    new = checkpoint.parse(log.grow(OLD).text)
    place = log.directory / f"tlog/tile/0/000.p/{OLD}"
    place.write_bytes(bytes(32) + place.read_bytes()[32:])
    with pytest.raises(AuditError, match="do not fit the checkpoint"):
        LocalLog(log.directory).proof(3, new)


def test_a_directory_without_a_log_is_named(tmp_path):
    with pytest.raises(AuditError, match="checkpoint cannot be read"):
        LocalLog(tmp_path).newest()
