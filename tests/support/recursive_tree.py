"""The tree as RFC 6962, 2.1 writes it down, recursively and over the records themselves: slow, obvious, and sharing nothing with the package."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


def records_of(size: int) -> list[bytes]:
    """Some records, all different."""
    return [b"record %d\n" % index for index in range(size)]


def root(records: Sequence[bytes]) -> bytes:
    """MTH(D)."""
    if not records:
        return hashlib.sha256(b"").digest()
    if len(records) == 1:
        return hashlib.sha256(b"\x00" + records[0]).digest()
    k = _split(len(records))
    return above(root(records[:k]), root(records[k:]))


def above(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def path(m: int, records: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D)."""
    if len(records) == 1:
        return []
    k = _split(len(records))
    if m < k:
        return [*path(m, records[:k]), root(records[k:])]
    return [*path(m - k, records[k:]), root(records[:k])]


def proof(m: int, records: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D)."""
    return _subproof(m, records, whole=True)


def _subproof(m: int, records: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if m == len(records):
        return [] if whole else [root(records)]
    k = _split(len(records))
    if m <= k:
        return [*_subproof(m, records[:k], whole=whole), root(records[k:])]
    return [*_subproof(m - k, records[k:], whole=False), root(records[:k])]


def _split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


@dataclass(frozen=True)
class Subtrees:
    """The hashes of complete subtrees; whoever asks for an incomplete one is refused, as by a store of them."""

    records: Sequence[bytes]

    def hash_at(self, level: int, index: int) -> bytes:
        start, end = index << level, (index + 1) << level
        assert 0 <= start < end <= len(self.records)
        return root(self.records[start:end])
