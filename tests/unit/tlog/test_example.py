"""The example that outsiders test their programs with says what ours does."""

import re
from pathlib import Path

import pytest
import recursive_tree as rfc
from recursive_tree import Subtrees

from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.evolving import EvolvingMac, check
from deepseek_local.tlog.keys import Ed25519Signer, Verifier
from deepseek_local.tlog.note import Note, parse, sign, verify
from deepseek_local.tlog.tree import consistency_proof, inclusion_proof, leaf

DOCS = Path(__file__).parents[3] / "docs"
ORIGIN = "lab.gpu01/audit/2026"


@pytest.fixture(params=["en", "zh"])
def example(request):
    page = (DOCS / request.param / "reference/audit-proofs.md").read_text("utf-8")
    return page[page.rindex("\n## ") :]


@pytest.fixture
def records(example):
    return re.search(r"```json\n(.*?)```", example, re.DOTALL)[1].encode().splitlines(keepends=True)


@pytest.fixture
def values(example):
    """The second column of the table."""
    return re.findall(r"^\| .+? \| `(.+?)` \|$", example, re.MULTILINE)


@pytest.fixture
def note(example):
    return parse(re.search(r"```text\n(.*?)```", example, re.DOTALL)[1].encode())


def test_the_hashes_and_proofs_are_those_of_the_records(records, values):
    leaves = [leaf(record) for record in records]
    two = rfc.root(records[:2])
    assert values[:5] == [value.hex() for value in (*leaves, two, rfc.root(records))]
    hash_at = Subtrees(records).hash_at
    assert inclusion_proof(3, 0, hash_at) == leaves[1:]
    assert inclusion_proof(3, 2, hash_at) == [two]
    assert consistency_proof(2, 3, hash_at) == leaves[2:]


def test_the_checkpoint_is_what_the_keys_make_of_the_records(records, values, note):
    seed, verifier_key, k0, k1 = values[5:]
    signer, mac = Ed25519Signer(ORIGIN, bytes.fromhex(seed)), EvolvingMac(bytes.fromhex(k0))
    text = Checkpoint(ORIGIN, 3, rfc.root(records)).text()
    assert note == Note(text, (*sign(text, signer).signatures, mac.signature(ORIGIN, text)))
    assert verify(note, [Verifier.parse(verifier_key)])
    assert check(ORIGIN, note, bytes.fromhex(k0), 0)
    assert mac.next().key.hex() == k1
