"""Checks everything that a sealed log says about itself: each checkpoint against the records, its signature and its MAC, and every tile."""

import json
from pathlib import Path

import segment_files

from deepseek_local.audit import seal
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.evolving import EvolvingMac
from deepseek_local.tlog.tiles import WIDTH, new_tiles, subtree_root
from deepseek_local.tlog.tree import Frontier, leaf


def check(directory: Path, keys: Path, first_key: bytes | None = None) -> list[Checkpoint]:
    """Return all checkpoints of a log that must be in order."""
    leaves = [leaf(line) for line in segment_files.lines(directory)]
    roots = _roots(leaves)
    verifier = seal.read(keys).signer.verifier
    mac = EvolvingMac(first_key or (keys / seal.FIRST_KEY).read_bytes())
    lines = (directory / "checkpoints.jsonl").read_bytes().splitlines()
    found = []
    for index, line in enumerate(lines):
        sealed = json.loads(line)
        assert sealed["i"] == index
        signed = note.parse(sealed["note"].encode())
        assert note.verify(signed, [verifier])
        assert mac.check(verifier.name, signed)
        mac = mac.next()
        found.append(checkpoint.parse(signed.text))
        assert found[-1].root == roots[found[-1].size]
    sizes = [each.size for each in found]
    assert sizes == sorted(set(sizes))
    if found:
        assert (directory / "tlog/checkpoint").read_bytes() == signed.encode()
        check_tiles(directory, leaves[: found[-1].size])
    return found


def check_tiles(directory: Path, leaves: list[bytes]) -> None:
    """See that every tile of the tree over these leaves is there."""
    levels = [leaves]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        whole = range(0, len(below) - WIDTH + 1, WIDTH)
        levels.append([subtree_root(b"".join(below[at : at + WIDTH])) for at in whole])
    for tile in new_tiles(0, len(leaves)):
        start = tile.number * WIDTH
        assert (directory / "tlog" / tile.path).read_bytes() == b"".join(levels[tile.level][start : start + tile.width])


def _roots(leaves: list[bytes]) -> list[bytes]:
    """Return the root of the tree over the first 0, 1, 2, … leaves."""
    tree = Frontier()
    roots = [tree.root()]
    for each in leaves:
        tree.append(each)
        roots.append(tree.root())
    return roots
