import hashlib

import pytest
import recursive_tree as rfc
from hypothesis import given
from hypothesis import strategies as st
from recursive_tree import Subtrees, records_of

from deepseek_local.errors import AuditError
from deepseek_local.tlog.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf,
    node,
    root_at,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(40)

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""The records that the tests of Certificate Transparency use; ROOTS[n] is the root over the first n."""
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (8, 0): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (8, 5): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 2): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def grown(records):
    frontier = Frontier()
    for record in records:
        frontier.append(leaf(record))
    return frontier


def hashes(texts):
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize(("size", "root"), [*enumerate(ROOTS)])
def test_the_roots_are_those_of_certificate_transparency(size, root):
    assert grown(LEAVES[:size]).root().hex() == root
    assert root_at(size, Subtrees(LEAVES).hash_at).hex() == root


@pytest.mark.parametrize(("size", "index"), INCLUSION)
def test_the_inclusion_proofs_are_those_of_certificate_transparency(size, index):
    proof = hashes(INCLUSION[size, index])
    assert inclusion_proof(size, index, Subtrees(LEAVES[:size]).hash_at) == proof
    assert verify_inclusion(leaf(LEAVES[index]), index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_consistency_proofs_are_those_of_certificate_transparency(old, new):
    proof = hashes(CONSISTENCY[old, new])
    assert consistency_proof(old, new, Subtrees(LEAVES[:new]).hash_at) == proof
    assert verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


@given(st.lists(st.binary(max_size=40), max_size=40))
def test_a_frontier_has_the_root_of_the_recursive_definition(records):
    assert grown(records).root() == rfc.root(records)


@pytest.mark.parametrize("size", SIZES)
def test_every_proof_is_that_of_the_recursive_definition_and_verifies(size):
    records = records_of(size)
    hash_at, root = Subtrees(records).hash_at, rfc.root(records)
    for index in range(size):
        proof = inclusion_proof(size, index, hash_at)
        assert proof == rfc.path(index, records)
        assert verify_inclusion(leaf(records[index]), index, size, proof, root)
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, hash_at)
        assert proof == rfc.proof(old, records)
        assert verify_consistency(old, size, rfc.root(records[:old]), root, proof)


def test_every_log_continues_an_empty_one_and_the_proof_is_empty():
    for size in SIZES:
        assert consistency_proof(0, size, Subtrees(records_of(size)).hash_at) == []
        assert verify_consistency(0, size, EMPTY_ROOT, rfc.root(records_of(size)), [])


def test_an_empty_log_that_claims_a_root_continues_nothing():
    root = rfc.root(records_of(3))
    assert not verify_consistency(0, 3, root, root, [])
    assert not verify_consistency(0, 3, EMPTY_ROOT, root, [root])
    assert not verify_consistency(0, 0, EMPTY_ROOT, root, [])


def spoiled(proof):
    """Every proof that differs from this one in one place."""
    for index, value in enumerate(proof):
        yield [*proof[:index], *proof[index + 1 :]]
        yield [*proof[:index], value, *proof[index:]]
        yield [*proof[:index], bytes([value[0] ^ 1]) + value[1:], *proof[index + 1 :]]
        yield [*proof[:index], value[:-1], *proof[index + 1 :]]
        if index and proof[index - 1] != value:
            yield [*proof[: index - 1], value, proof[index - 1], *proof[index + 1 :]]
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 16, 21])
def test_an_inclusion_proof_proves_one_record_at_one_place_of_one_log_only(size):
    records = records_of(size)
    hash_at, root = Subtrees(records).hash_at, rfc.root(records)
    for index in range(size):
        proof, mine = inclusion_proof(size, index, hash_at), leaf(records[index])
        assert not any(verify_inclusion(mine, index, size, other, root) for other in spoiled(proof))
        assert not any(
            verify_inclusion(mine, other, size, proof, root) for other in range(-1, size + 2) if other != index
        )
        assert not verify_inclusion(mine, index, size, proof, leaf(b"other"))
        assert not verify_inclusion(leaf(b"other"), index, size, proof, root)


@pytest.mark.parametrize("size", [2, 3, 7, 8, 11, 16, 21])
def test_a_consistency_proof_proves_one_pair_of_logs_only(size):
    records = records_of(size)
    hash_at, root = Subtrees(records).hash_at, rfc.root(records)
    for old in range(1, size + 1):
        proof, old_root = consistency_proof(old, size, hash_at), rfc.root(records[:old])
        assert not any(verify_consistency(old, size, old_root, root, other) for other in spoiled(proof))
        assert not verify_consistency(old, size, leaf(b"other"), root, proof)
        assert not verify_consistency(old, size, old_root, leaf(b"other"), proof)
        others = [other for other in range(size + 2) if other != old]
        assert not any(verify_consistency(other, size, old_root, root, proof) for other in others)


@given(st.integers(1, 60), st.data())
def test_a_log_whose_past_was_changed_is_never_consistent(new, data):
    old = data.draw(st.integers(1, new))
    place = data.draw(st.integers(0, old - 1))
    records = records_of(new)
    forked = [*records[:place], b"changed\n", *records[place + 1 :]]
    proof = consistency_proof(old, new, Subtrees(forked).hash_at)
    assert not verify_consistency(old, new, rfc.root(records[:old]), rfc.root(forked), proof)


def test_two_hashes_do_not_pass_for_others_cut_elsewhere():
    left, right = leaf(b"left"), leaf(b"right")
    root = node(left, right)
    assert verify_inclusion(left, 0, 2, [right], root)
    assert node(left + right[:1], right[1:]) == root
    assert not verify_inclusion(left + right[:1], 0, 2, [right[1:]], root)


def test_the_hashes_of_a_consistency_proof_are_not_cut_elsewhere_either():
    records = records_of(3)
    old_root, third = rfc.root(records[:2]), leaf(records[2])
    root = node(old_root, third)
    assert verify_consistency(2, 3, old_root, root, [third])
    assert not verify_consistency(2, 3, old_root + third[:1], root, [third[1:]])


def test_a_proof_that_climbs_above_the_root_is_refused():
    only, sibling = leaf(b"only"), leaf(b"sibling")
    assert not verify_inclusion(only, 0, 1, [sibling], node(sibling, only))
    old_root, new_root = rfc.root(records_of(3)), rfc.root(records_of(4))
    proof = rfc.proof(3, records_of(4))
    assert verify_consistency(3, 4, old_root, new_root, proof)
    above = [*proof, sibling]
    assert not verify_consistency(3, 4, node(sibling, old_root), node(sibling, new_root), above)


def test_a_node_is_not_a_record():
    left, right = leaf(b"left"), leaf(b"right")
    assert leaf(left + right) != node(left, right) == hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize(("size", "index"), [(0, 0), (5, 5), (5, -1)])
def test_what_is_not_in_the_log_has_no_proof(size, index):
    with pytest.raises(AuditError, match=f"record {index} is not in a log of {size} records"):
        inclusion_proof(size, index, Subtrees(records_of(size)).hash_at)


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5)])
def test_a_log_does_not_continue_a_longer_one(old, new):
    with pytest.raises(AuditError, match="name the older checkpoint first"):
        consistency_proof(old, new, Subtrees(records_of(5)).hash_at)


def test_a_frontier_goes_on_from_its_peaks_and_a_copy_goes_its_own_way():
    frontier = grown(records_of(11))
    again = Frontier(frontier.size, frontier.peaks)
    copy = frontier.copy()
    copy.append(leaf(b"other"))
    again.append(leaf(records_of(12)[11]))
    assert frontier.root() == rfc.root(records_of(11))
    assert again.root() == rfc.root(records_of(12))
    assert copy.root() == rfc.root([*records_of(11), b"other"])
    assert (frontier.size, again.size, copy.size) == (11, 12, 12)


@pytest.mark.parametrize(("size", "peaks"), [(3, [bytes(32)]), (-1, [bytes(32)]), (1, [bytes(31)]), (0, [bytes(32)])])
def test_what_is_no_right_edge_is_refused(size, peaks):
    with pytest.raises(AuditError, match="not the right edge"):
        Frontier(size, peaks)
