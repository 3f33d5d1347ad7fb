"""
A checker of proof files that shares nothing with the package: RFC 9162, 2.1.3.2, RFC 8032 and C2SP signed-note, read once more.

It takes the file and the verifier key as text and returns the record, or raises `AssertionError`.
"""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def record_of(proof: str, verifier_key: str) -> bytes:
    """Check a `.tlog-proof` of version 1 that has the record in its `extra` line."""
    head, note_text, signatures = proof.split("\n\n")
    version, extra, index, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    entry = base64.b64decode(extra.removeprefix("extra "), validate=True)
    origin, size, root = _opened(f"{note_text}\n", signatures, verifier_key)
    assert verifier_key.split("+", 1)[0] == origin
    hashes = [base64.b64decode(each, validate=True) for each in path]
    assert _root(entry, int(index.removeprefix("index ")), size, hashes) == root
    return entry


def _opened(text: str, signatures: str, verifier_key: str) -> tuple[str, int, bytes]:
    """Verify the note with the one key and return what its three lines say."""
    name, identifier, encoded = verifier_key.split("+", 2)
    kind, public = base64.b64decode(encoded)[:1], base64.b64decode(encoded)[1:]
    assert kind == b"\x01"
    assert hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4].hex() == identifier
    found = [line.split(" ") for line in signatures.splitlines()]
    mine = [base64.b64decode(words[2]) for words in found if words[:2] == ["\u2014", name]]
    assert mine[0][:4].hex() == identifier
    Ed25519PublicKey.from_public_bytes(public).verify(mine[0][4:], text.encode())
    origin, size, root = text.splitlines()
    return origin, int(size), base64.b64decode(root)


def _root(entry: bytes, leaf_index: int, tree_size: int, path: list[bytes]) -> bytes:
    """Climb as RFC 9162, 2.1.3.2 says, with its names."""
    assert leaf_index < tree_size
    fn, sn = leaf_index, tree_size - 1
    r = hashlib.sha256(b"\x00" + entry).digest()
    for p in path:
        assert sn != 0
        if fn % 2 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return r
