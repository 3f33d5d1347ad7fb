"""
The Merkle tree over the records: its hashes, its right edge, and the proofs that an outsider can check.

A leaf is `SHA-256(0x00 || data)`, a node `SHA-256(0x01 || left || right)` (RFC 6962, 2.1); the prefixes keep one from passing for the other.
Proofs are made as RFC 6962, 2.1.1 and 2.1.2 define them, and checked as RFC 9162, 2.1.3.2 and 2.1.4.2 say, without the tree.

The hash of a complete subtree of `2**level` leaves never changes once it is there, so whoever makes proofs needs nothing else: `hash_at`
finds the `index`-th of a level, counted from the left.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Self

from deepseek_local.errors import AuditError

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

HashAt = Callable[[int, int], bytes]
"""Takes level and index; returns the hash of that complete subtree."""

# OpenSSL looks the algorithm up anew for each new hash; what has begun with a prefix is copied in less time.
_begun_leaf = sha256(b"\x00").copy
_begun_node = sha256(b"\x01").copy


def leaf(data: bytes) -> bytes:
    """Return the hash of a record, of its exact bytes."""
    digest = _begun_leaf()
    digest.update(data)
    return digest.digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash above two others."""
    digest = _begun_node()
    digest.update(left)
    digest.update(right)
    return digest.digest()


class Frontier:
    """
    The right edge of a tree, which is all that is needed to let it grow: the roots of its complete subtrees, largest first.

    There is one for each bit of the size, so a copy is cheap. Raises `AuditError` when there are more or fewer.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise AuditError(
                f"{len(peaks)} hashes are not the right edge of a tree of {size} records; build it from the records again"
            )
        self.size = size
        """Number of leaves."""
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first."""
        return tuple(self._peaks)

    def append(self, leaf_hash: bytes) -> None:
        """Let the tree grow by one leaf; on the average this costs one hash, whatever the size."""
        peaks, carry = self._peaks, self.size
        self.size = carry + 1
        while carry & 1:  # as in adding one to a binary number: two subtrees of one size become the next
            leaf_hash = node(peaks.pop(), leaf_hash)
            carry >>= 1
        peaks.append(leaf_hash)

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        return _fold(self._peaks)

    def copy(self) -> Self:
        """Return an edge that grows by itself."""
        return type(self)(self.size, self._peaks)


def root_at(size: int, hash_at: HashAt) -> bytes:
    """Return the root of the tree of `size` leaves, from its complete subtrees."""
    return _root(0, size, hash_at)


def inclusion_proof(size: int, index: int, hash_at: HashAt) -> list[bytes]:
    """Return what proves that a leaf is in the tree of `size` leaves, from its sibling upwards. Raises `AuditError` if it is not."""
    if not 0 <= index < size:
        raise AuditError(f"record {index} is not in a log of {size} records; ask for one below {size}")
    start, end = 0, size
    proof = []
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            proof.append(_root(split, end, hash_at))
            end = split
        else:
            proof.append(_root(start, split, hash_at))
            start = split
    return proof[::-1]


def consistency_proof(old: int, new: int, hash_at: HashAt) -> list[bytes]:
    """
    Return what proves that the tree of `new` leaves begins with the tree of `old` leaves.

    It is empty when they are the same tree or the old one is. Raises `AuditError` when `old` is the larger.
    """
    if not 0 <= old <= new:
        raise AuditError(f"a log of {new} records cannot continue one of {old}; name the older checkpoint first")
    if old == 0:
        return []
    start, end = 0, new
    proof = []
    while end != old:
        split = _split(start, end)
        if old <= split:
            proof.append(_root(split, end, hash_at))
            end = split
        else:
            proof.append(_root(start, split, hash_at))
            start = split
    if start:  # else the last subtree is the old tree itself, whose root the verifier has
        proof.append(_root(start, end, hash_at))
    return proof[::-1]


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from this leaf, at this index, to the root of the tree of `size` leaves."""
    if not 0 <= index < size or not _are_hashes([leaf_hash, *proof]):
        return False
    climbed, last = leaf_hash, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            climbed = node(sibling, climbed)
            index, last = _skip(index, last)
        else:
            climbed = node(climbed, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and climbed == root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """
    Whether the proof shows that the new tree begins with the old one.

    For an old tree without leaves, which every tree continues, the proof is empty and `old_root` is `EMPTY_ROOT`.
    """
    if not 0 <= old_size <= new_size or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if old_size.bit_count() == 1:
        proof = [old_root, *proof]
    return bool(proof) and _climb(old_size - 1, new_size - 1, proof) == (old_root, new_root)


def _climb(index: int, last: int, proof: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the roots of both trees as the proof has them, or None when it has the wrong length."""
    while index & 1:
        index, last = index >> 1, last >> 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return None
        if index & 1 or index == last:
            old, new = node(sibling, old), node(sibling, new)
            index, last = _skip(index, last)
        else:
            new = node(new, sibling)
        index, last = index >> 1, last >> 1
    return (old, new) if last == 0 else None


def _root(start: int, end: int, hash_at: HashAt) -> bytes:
    """Return the root over the leaves from `start`, where a split has put it, to before `end`."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(hash_at(level, start >> level))
        start += 1 << level
    return _fold(peaks)


def _skip(index: int, last: int) -> tuple[int, int]:
    """Pass the levels on which the last node has no sibling and goes up as it is."""
    while index and not index & 1:
        index, last = index >> 1, last >> 1
    return index, last


def _split(start: int, end: int) -> int:
    """Return where the left subtree ends: it has the largest power of two that is smaller than the whole."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _fold(peaks: Sequence[bytes]) -> bytes:
    """Return the root above complete subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = node(peak, root)
    return root


def _are_hashes(values: Sequence[bytes]) -> bool:
    """Hashes of another length would let a node be read as the pair of two others."""
    return all(len(value) == HASH_BYTES for value in values)
