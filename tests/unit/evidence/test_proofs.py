import dataclasses

import pytest
import recursive_tree
import rfc_proof
import sealed_log

from deepseek_local.audit import seal
from deepseek_local.errors import AuditError, IncompleteError, TamperedError
from deepseek_local.evidence import checkpoints, proof_file, proofs
from deepseek_local.evidence.checkpoints import Checkpoints, Stop
from deepseek_local.evidence.log import lines
from deepseek_local.evidence.proof_file import Proof
from deepseek_local.tlog import note as notes
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.tree import leaf


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Nobody changes it."""
    return sealed_log.make(tmp_path_factory.mktemp("home"))


@pytest.fixture
def copy(log, tmp_path):
    """For those who do."""
    return log.copy(tmp_path / "copy")


@pytest.fixture(scope="module")
def records(log):
    return [line for _, line in lines(log.directory)]


def stops(log) -> list[Stop]:
    return list(Checkpoints(log.directory, log.trust).read())


def test_every_record_can_be_proved_to_a_checker_that_shares_no_code(log, records):
    key = str(log.trust.verifiers[0])
    for seq, record in enumerate(records):
        assert rfc_proof.record_of(proofs.prove(log.directory, log.trust, seq).encode().decode(), key) == record


def test_every_proof_survives_the_way_through_its_file(log, records):
    for seq, record in enumerate(records):
        content = proofs.prove(log.directory, log.trust, seq).encode()
        proof = proof_file.parse(content)
        assert proof.encode() == content
        found, signed = proofs.check(proof, log.trust, "file")
        assert (found, signed.size) == (record, len(records))


def test_the_hashes_are_those_of_the_recursive_definition(log, records):
    proof = proofs.prove(log.directory, log.trust, 5)
    assert list(proof.hashes) == recursive_tree.path(5, records)


def test_no_byte_of_a_proof_can_be_flipped(log):
    content = proofs.prove(log.directory, log.trust, 9).encode()
    mac_line = content.rindex("\u2014".encode())  # of another key, which only the auditor of the log can check
    for at in range(mac_line):
        spoilt = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
        with pytest.raises(TamperedError):
            proofs.check(proof_file.parse(spoilt), log.trust, "file")


def test_a_proof_can_be_cut_nowhere(log):
    content = proofs.prove(log.directory, log.trust, 9).encode()
    mac_line = content.rindex("\u2014".encode())
    for length in range(len(content)):
        if length != mac_line:  # there the note ends well, with one signature less
            with pytest.raises(TamperedError):
                proofs.check(proof_file.parse(content[:length]), log.trust, "file")


def test_a_proof_for_another_record_is_refused(log, records):
    proof = proofs.prove(log.directory, log.trust, 9)
    for changed in ({"record": records[8]}, {"index": 8}, {"hashes": proof.hashes[:-1]}, {"hashes": ()}):
        with pytest.raises(TamperedError, match="does not prove its record"):
            proofs.check(dataclasses.replace(proof, **changed), log.trust, "file")


def test_a_proof_without_the_record_says_so(log):
    proof = dataclasses.replace(proofs.prove(log.directory, log.trust, 9), record=None)
    assert proof_file.parse(proof.encode()) == proof
    with pytest.raises(IncompleteError, match="does not have the record itself"):
        proofs.check(proof, log.trust, "file")


def test_an_entry_that_is_no_record_of_this_number_is_refused(log):
    record = b'{"seq":1}\n'
    signer = Ed25519Signer(log.trust.origin, (log.keys / seal.SEED).read_bytes())
    note = notes.sign(Checkpoint(log.trust.origin, 1, leaf(record)).text(), signer)
    with pytest.raises(TamperedError, match="proves entry 0, which is no record with this number"):
        proofs.check(Proof(0, (), note, record), log.trust, "file")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\n\n", b"c2sp.org/tlog-proof@v2\nindex 0\n\n", b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v1\nindex 01\n\n", b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n", b"c2sp.org/tlog-proof@v1\nextra *\nindex 0\n\n"],
)  # fmt: skip
def test_what_is_no_proof_is_refused(content):
    with pytest.raises(TamperedError, match=r"^this is no proof: .*; get the file again$"):
        proof_file.parse(content)


def test_a_record_beyond_the_newest_checkpoint_cannot_be_proved_yet(log, records):
    with pytest.raises(IncompleteError, match=f"record {len(records)} is not sealed"):
        proofs.prove(log.directory, log.trust, len(records))


def test_a_record_that_was_altered_gives_no_proof(copy):
    path = copy.segment(3)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"SIGTERM", b"SIGKILL"))
    with pytest.raises(TamperedError, match=r"record 36 or a tile is not what .* run `audit verify`"):
        proofs.prove(copy.directory, copy.trust, 36)


def test_a_pruned_record_cannot_be_proved_from_here(copy):
    copy.segment(1).with_name("segment-000001.jsonl.gz").unlink()
    with pytest.raises(IncompleteError, match=r"record 3 is not in .* any more"):
        proofs.prove(copy.directory, copy.trust, 3)


def test_a_log_without_checkpoint_proves_nothing(copy):
    (copy.directory / checkpoints.NEWEST).unlink()
    with pytest.raises(IncompleteError, match="nothing is sealed"):
        proofs.prove(copy.directory, copy.trust, 3)


def test_any_two_sizes_are_consistent_as_the_recursive_definition_says(log, records):
    for old, new in ((1, 2), (3, 7), (8, 8), (8, 21), (20, 37), (37, 37), (0, 5)):
        proved = proofs.continuation(log.directory, log.trust, old, new)
        assert (proved.old.size, proved.new.size) == (old, new)
        assert list(proved.hashes) == (recursive_tree.proof(old, records[:new]) if old not in (0, new) else [])


def test_every_checkpoint_continues_all_before_it(log):
    signed = stops(log)
    for index, new in enumerate(signed):
        for old in signed[: index + 1]:
            assert proofs.continuation(log.directory, log.trust, old, new).new.root == new.checkpoint.root


def test_a_checkpoint_of_another_history_is_not_continued(log):
    stop = stops(log)[2]
    forged = dataclasses.replace(stop, checkpoint=dataclasses.replace(stop.checkpoint, root=bytes(32)))
    with pytest.raises(TamperedError, match="two histories"):
        proofs.continuation(log.directory, log.trust, forged, 37)
    with pytest.raises(TamperedError, match="two histories"):
        proofs.continuation(log.directory, log.trust, 2, forged)


def test_a_size_that_the_log_does_not_have_is_told_from_one_that_it_lost(log):
    with pytest.raises(AuditError, match="ask for a smaller size"):
        proofs.continuation(log.directory, log.trust, 1, 38)
    stop = stops(log)[2]
    newer = dataclasses.replace(stop, checkpoint=dataclasses.replace(stop.checkpoint, size=99))
    with pytest.raises(TamperedError, match="its end was cut off"):
        proofs.continuation(log.directory, log.trust, 1, newer)


def test_the_older_state_comes_first(log):
    with pytest.raises(AuditError, match="name the older checkpoint first"):
        proofs.continuation(log.directory, log.trust, 9, 4)
