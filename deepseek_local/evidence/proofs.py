"""
Proofs for outsiders: that a record is in the log, and that one state of the log continues another (RFC 9162, 2.1.3 and 2.1.4).

A proof is made from the tiles and checked before it leaves, so tiles that were altered give no proof instead of a wrong one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import AuditError, IncompleteError, TamperedError
from deepseek_local.evidence import checkpoints
from deepseek_local.evidence.checkpoints import Stop
from deepseek_local.evidence.growing import Tiles
from deepseek_local.evidence.log import lines, seq_of
from deepseek_local.evidence.proof_file import Proof
from deepseek_local.evidence.trust import Trust
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.tree import (
    consistency_proof,
    inclusion_proof,
    leaf,
    root_at,
    verify_consistency,
    verify_inclusion,
)

_DISAGREE = "run `audit verify`, which says what was altered"


@dataclass(frozen=True, slots=True)
class Tree:
    """One state of the log."""

    size: int
    root: bytes
    where: str
    """For people: who says so."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """That one state of the log begins with all records of another."""

    old: Tree
    new: Tree
    hashes: tuple[bytes, ...]


def prove(directory: Path, trust: Trust, seq: int) -> Proof:
    """Prove that a record is in the log. Raises `IncompleteError` while it cannot be, `TamperedError` when records and tiles disagree."""
    stop = _newest(directory, trust)
    size, root = stop.checkpoint.size, stop.checkpoint.root
    if seq >= size:
        raise IncompleteError(
            f"record {seq} is not sealed, the newest checkpoint is for {size} records; ask for one below, or again in a second"
        )
    record = _record(directory, seq)
    hashes = inclusion_proof(size, seq, Tiles(directory, size).reader().hash_at)
    if not verify_inclusion(leaf(record), seq, size, hashes, root):
        raise TamperedError(f"record {seq} or a tile is not what {stop.where} was signed for; {_DISAGREE}")
    return Proof(seq, tuple(hashes), stop.note, record)


def check(proof: Proof, trust: Trust, where: str) -> tuple[bytes, Checkpoint]:
    """Return the record that a proof proves, and the checkpoint that vouches for it. Raises `TamperedError` when it does not."""
    if proof.record is None:
        raise IncompleteError(f"{where} does not have the record itself; make it with `audit prove`")
    _, signed = trust.open(proof.note.encode(), f"the checkpoint in {where}")
    if not verify_inclusion(leaf(proof.record), proof.index, signed.size, proof.hashes, signed.root):
        raise TamperedError(f"{where} does not prove its record; whoever made or carried it has altered it")
    if seq_of(proof.record) != proof.index:
        raise TamperedError(
            f"{where} proves entry {proof.index}, which is no record with this number; it is not from this log"
        )
    return proof.record, signed


def continuation(directory: Path, trust: Trust, old: int | Stop, new: int | Stop) -> Continuation:
    """
    Prove that the log of `new` records begins with that of `old`; each is a size or a signed checkpoint.

    The newest checkpoint of the log is the judge of both. Raises `TamperedError` when one is not a part of it, and `AuditError`.
    """
    newest = _newest(directory, trust)
    tiles = Tiles(directory, newest.checkpoint.size)
    hash_at = tiles.reader().hash_at

    def root_of(size: int) -> bytes:
        return root_at(size, hash_at)

    last = Tree(newest.checkpoint.size, newest.checkpoint.root, newest.where)
    first, second = (_tree(each, last, root_of) for each in (old, new))
    for earlier, later in ((first, second), (second, last)):
        hashes = consistency_proof(earlier.size, later.size, hash_at)
        if not verify_consistency(earlier.size, later.size, earlier.root, later.root, hashes):
            raise TamperedError(
                f"{later.where} does not continue {earlier.where}: they are of two histories, or a tile was altered; {_DISAGREE}"
            )
    return Continuation(first, second, tuple(consistency_proof(first.size, second.size, hash_at)))


def _tree(asked: int | Stop, last: Tree, root_of: Callable[[int], bytes]) -> Tree:
    size = asked if isinstance(asked, int) else asked.checkpoint.size
    if size > last.size:
        problem = f"the log has {last.size} sealed records, not {size}"
        if isinstance(asked, int):
            raise AuditError(f"{problem}; ask for a smaller size")
        raise TamperedError(f"{problem} as {asked.where} says: its end was cut off; restore it from its copy")
    if isinstance(asked, int):
        return Tree(size, root_of(size), f"the log of {size} records")
    return Tree(size, asked.checkpoint.root, asked.where)


def _newest(directory: Path, trust: Trust) -> Stop:
    stop = checkpoints.newest(directory, trust)
    if stop is None:
        raise IncompleteError(
            f"{directory / checkpoints.NEWEST} is missing, so nothing is sealed; name the directory of the audit log, or start the sequencer"
        )
    return stop


def _record(directory: Path, seq: int) -> bytes:
    _, line = next(lines(directory, seq), (None, b""))
    if seq_of(line) != seq:
        raise IncompleteError(
            f"record {seq} is not in {directory} any more; look for it where pruned segments are kept"
        )
    return line
