"""
Which record was altered, when the root of a checkpoint is not that of the records.

The tiles still have the hashes that the records had. They prove it themselves: a hash that leads to the signed root is what was signed, so
the first record that differs from such a hash is the one.
"""

import logging
from pathlib import Path

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence.checkpoints import Stop
from deepseek_local.evidence.growing import Tiles
from deepseek_local.evidence.log import Place, lines
from deepseek_local.evidence.report import AlteredError, altered
from deepseek_local.tlog.tree import inclusion_proof, leaf, verify_inclusion

_logger = logging.getLogger(__name__)


def locate(directory: Path, tiles: Tiles, stop: Stop, cleared: int) -> TamperedError:
    """Name the first record behind `cleared` that is not what the checkpoint was signed for, as exactly as the tiles allow."""
    try:
        found = _first_difference(directory, tiles, stop, cleared)
    except AuditError as error:
        _logger.info("the tiles do not tell which record was altered: %s", error)
        found = None
    if found is not None:
        index, place = found
        return AlteredError(
            altered(index, place, f"the hash of its bytes is not the one that {stop.where} was signed for")
        )
    last = stop.checkpoint.size - 1
    return TamperedError(
        f"a record between {cleared} and {last}, or a tile before them, is not what {stop.where} was signed for, "
        "and the tiles do not tell which; restore the segments with these records and the directory tlog from their copies"
    )


def _first_difference(directory: Path, tiles: Tiles, stop: Stop, cleared: int) -> tuple[int, Place] | None:
    size, root = stop.checkpoint.size, stop.checkpoint.root
    hash_at = tiles.reader().hash_at
    for index, (place, line) in enumerate(lines(directory, cleared), cleared):
        if index == size:
            return None
        signed = hash_at(0, index)
        if leaf(line) != signed:
            proof = inclusion_proof(size, index, hash_at)
            return (index, place) if verify_inclusion(signed, index, size, proof, root) else None
    return None
