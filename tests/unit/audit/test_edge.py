"""The right edge of the tree: its root and its tiles, against the tree as RFC 6962 writes it down."""

import pytest
import recursive_tree

from deepseek_local.audit.edge import Edge
from deepseek_local.tlog.tiles import WIDTH, Tile, new_tiles, subtree_root
from deepseek_local.tlog.tree import EMPTY_ROOT, leaf


def grown(size: int) -> Edge:
    edge = Edge()
    for record in recursive_tree.records_of(size):
        edge.append(leaf(record))
    return edge


def test_an_edge_without_leaves_has_the_root_of_no_leaves():
    assert Edge().root() == EMPTY_ROOT
    assert list(Edge().partial()) == []


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 700])
def test_the_root_is_that_of_rfc_6962(size):
    edge = grown(size)
    assert edge.size == size
    assert edge.root() == recursive_tree.root(recursive_tree.records_of(size))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700, WIDTH * WIDTH - 1, WIDTH * WIDTH, WIDTH * WIDTH + 1])
def test_its_tiles_are_all_that_a_tree_of_its_size_has(size):
    edge = grown(size)
    full = edge.take_full()
    partial = dict(edge.partial())
    assert sorted([*full, *partial]) == sorted(new_tiles(0, size))
    assert all(len(hashes) == 32 * tile.width for tile, hashes in [*full.items(), *partial.items()])
    assert edge.take_full() == {}
    row = [subtree_root(full[Tile(0, number)]) for number in range(size // WIDTH % WIDTH)]
    if size < WIDTH * WIDTH and row:
        assert partial[Tile(1, 0, len(row))] == b"".join(row)


def test_an_edge_goes_on_from_its_last_tiles():
    size = 700
    whole = grown(size)
    full = whole.take_full()
    leaves = [leaf(record) for record in recursive_tree.records_of(size)]
    again = Edge([leaves[512:600], [subtree_root(full[Tile(0, number)]) for number in range(2)]])
    assert again.size == 600
    for each in leaves[600:]:
        again.append(each)
    assert (again.root(), list(again.partial())) == (whole.root(), list(whole.partial()))
