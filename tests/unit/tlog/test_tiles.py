from collections import Counter

import pytest
import recursive_tree as rfc
from hypothesis import given, settings
from hypothesis import strategies as st
from recursive_tree import records_of

from deepseek_local.errors import AuditError
from deepseek_local.tlog.tiles import (
    WIDTH,
    TileReader,
    bundle,
    bundle_path,
    entries,
    new_tiles,
    subtree_root,
    tile_path,
    tiles_of,
)
from deepseek_local.tlog.tree import Frontier, consistency_proof, inclusion_proof, leaf, root_at

SIZE = 70_000
"""The example of the specification."""


@pytest.fixture(scope="module")
def leaves():
    return [leaf(b"%d" % index) for index in range(SIZE)]


@pytest.fixture(scope="module")
def store(leaves):
    """The tiles of the log by name, cut out of one row of hashes after the other."""
    files, row, level = {}, leaves, 0
    while row:
        parts = [row[start : start + WIDTH] for start in range(0, len(row), WIDTH)]
        for number, part in enumerate(parts):
            files[tile_path(level, number, len(part))] = b"".join(part)
        row, level = [pairwise(part) for part in parts if len(part) == WIDTH], level + 1
    return files


def pairwise(hashes):
    """The root above a power of two of hashes, by a tree of another kind than the package has."""
    if len(hashes) == 1:
        return hashes[0]
    half = len(hashes) // 2
    return rfc.above(pairwise(hashes[:half]), pairwise(hashes[half:]))


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (1, 1_234_067, 256, "tile/1/x001/x234/067"),
        (2, 7, 1, "tile/2/007.p/1"),
        (0, 1_234_067, 255, "tile/0/x001/x234/067.p/255"),
    ],
)
def test_tiles_have_the_names_of_the_specification(level, number, width, path):
    assert tile_path(level, number, width) == path


def test_bundles_have_the_names_of_the_specification():
    assert bundle_path(1_234_067) == "tile/entries/x001/x234/067"
    assert bundle_path(273, 112) == "tile/entries/273.p/112"


def test_a_log_of_70000_has_the_tiles_that_the_specification_counts(store):
    tiles = list(new_tiles(0, SIZE))
    assert Counter((tile.level, tile.width) for tile in tiles) == {
        (0, 256): 273,
        (0, 112): 1,
        (1, 256): 1,
        (1, 17): 1,
        (2, 1): 1,
    }
    assert {tile.path for tile in tiles} == store.keys()
    assert [tuple(tile) for tile in tiles_of(SIZE)] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


@pytest.mark.parametrize(
    ("size", "partial"),
    [(0, []), (1, [(0, 0, 1)]), (256, [(1, 0, 1)]), (257, [(0, 1, 1), (1, 0, 1)]), (256**2, [(2, 0, 1)])],
)
def test_the_right_edge_has_a_partial_tile_for_each_level_that_is_not_full(size, partial):
    assert [tuple(tile) for tile in tiles_of(size)] == partial


@given(st.lists(st.integers(0, 3 * 256**2), min_size=2, max_size=5).map(sorted))
def test_what_is_new_at_each_growth_adds_up_to_all_tiles(sizes):
    written = {tile for old, new in zip([0, *sizes], sizes, strict=False) for tile in new_tiles(old, new)}
    assert set(new_tiles(0, sizes[-1])) <= written
    assert {tile for tile in written if tile.width == WIDTH} == {
        tile for tile in new_tiles(0, sizes[-1]) if tile.width == WIDTH
    }
    assert set(tiles_of(sizes[-1])) == {tile for tile in new_tiles(0, sizes[-1]) if tile.width < WIDTH}
    assert list(new_tiles(sizes[-1], sizes[-1])) == []


@pytest.fixture(scope="module")
def reader(store):
    return TileReader(SIZE, store.__getitem__)


def test_tiles_give_the_root_of_the_log(reader, leaves):
    frontier = Frontier()
    for leaf_hash in leaves:
        frontier.append(leaf_hash)
    assert root_at(SIZE, reader.hash_at) == frontier.root()


@settings(max_examples=30)
@given(st.data())
def test_tiles_give_the_hash_of_every_complete_subtree(reader, leaves, data):
    level = data.draw(st.integers(0, 16))
    index = data.draw(st.integers(0, (SIZE >> level) - 1))
    assert reader.hash_at(level, index) == pairwise(leaves[index << level : (index + 1) << level])


@pytest.mark.parametrize(("level", "index"), [(0, SIZE), (17, 0), (16, 1), (8, 273), (-1, 0), (0, -1), (64, 0)])
def test_a_subtree_that_is_not_complete_has_no_hash(reader, level, index):
    with pytest.raises(AuditError, match=f"not complete in a log of {SIZE} records"):
        reader.hash_at(level, index)


def test_tiles_of_a_later_checkpoint_serve_proofs_about_an_earlier_one():
    records = records_of(300)
    hash_at = TileReader(600, lambda path: tiles[path]).hash_at
    tiles = {}
    later = [leaf(record) for record in records_of(600)]
    for tile in new_tiles(0, 600):
        row = later if tile.level == 0 else [pairwise(later[:256]), pairwise(later[256:512])]
        tiles[tile.path] = b"".join(row[tile.number * 256 : tile.number * 256 + tile.width])
    assert inclusion_proof(300, 280, hash_at) == rfc.path(280, records)
    assert consistency_proof(260, 300, hash_at) == rfc.proof(260, records)


@pytest.mark.parametrize(
    "change", [lambda tile: tile[:-1], lambda tile: tile + b"\0", lambda tile: tile[:-32], lambda _: b""]
)
def test_a_tile_of_another_length_is_refused(store, change):
    reader = TileReader(SIZE, lambda path: change(store[path]))
    with pytest.raises(AuditError, match=r"tile/0/273\.p/112 has \d+ bytes instead of 3584"):
        reader.hash_at(0, SIZE - 1)


def test_a_tile_is_read_once_and_few_are_kept(store):
    read = []
    reader = TileReader(SIZE, lambda path: read.append(path) or store[path])
    for _ in range(3):
        reader.hash_at(0, 5)
    assert read == ["tile/0/000"]
    for index in range(0, SIZE, WIDTH):
        reader.hash_at(0, index)
    reader.hash_at(0, 5)
    assert read.count("tile/0/000") == 2


@pytest.mark.parametrize("size", [0, 31, 33, 96])
def test_hashes_that_are_no_subtree_have_no_root(size):
    with pytest.raises(AuditError, match="are not the hashes below one node"):
        subtree_root(bytes(size))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=WIDTH))
def test_records_come_out_of_a_bundle_as_they_went_in(records):
    assert entries(bundle(records)) == records


def test_a_bundle_is_written_as_the_specification_says():
    assert bundle([b"one\n", b"", b"x" * 300]) == b"\x00\x04one\n" + b"\x00\x00" + b"\x01\x2c" + b"x" * 300
    assert entries(bundle([b"x" * 65_535])) == [b"x" * 65_535]


def test_a_record_that_is_too_long_for_a_bundle_is_refused():
    with pytest.raises(AuditError, match="65536 bytes does not fit into a bundle"):
        bundle([b"x" * 65_536])


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_holds_1_to_256_records(count):
    with pytest.raises(AuditError, match=f"cannot hold {count} records"):
        bundle([b""] * count)
    with pytest.raises(AuditError, match=f"cannot hold {count} records"):
        entries(b"\0\0" * count)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), st.data())
def test_a_bundle_that_was_cut_off_is_never_read_whole(records, data):
    whole = bundle(records)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        found = entries(cut)
    except AuditError:
        return
    assert found == records[: len(found)] != records
