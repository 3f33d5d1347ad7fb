"""The rules of a witness, each with the status that C2SP tlog-witness gives it."""

from http import HTTPStatus

import pytest
from logs_to_witness import ORIGIN, SIGNER, GrowingLog

from deepseek_local.tlog import checkpoint
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.tlog.tree import consistency_proof
from deepseek_local.witness.judgement import judge
from deepseek_local.witness.submission import Submission

SIZES = (0, 1, 2, 3, 4, 7, 8, 9, 255, 256, 257, 300)
KEYS = (SIGNER.verifier,)
STRANGER = Ed25519Signer(ORIGIN, bytes(32))


@pytest.fixture
def log(tmp_path):
    return GrowingLog(tmp_path / "log")


@pytest.fixture
def fork(tmp_path):
    return GrowingLog(tmp_path / "fork")


def seen(signed: Note):
    return checkpoint.parse(signed.text)


def request(log: GrowingLog, old: int, signed: Note) -> Submission:
    size = seen(signed).size
    return Submission.of(old, tuple(consistency_proof(old, size, log.hash_at)) if old <= size else (), signed)


def test_a_log_that_grows_is_accepted_from_every_size_to_every_later_one(log):
    signed = [log.grow(size) for size in SIZES]
    for index, old in enumerate(signed):
        for new in signed[index:]:
            assert judge(request(log, seen(old).size, new), seen(old), KEYS) is None


def test_a_log_that_was_never_seen_begins_at_zero(log):
    assert judge(request(log, 0, log.grow(7)), None, KEYS) is None


def test_the_same_checkpoint_is_accepted_again(log):
    signed = log.grow(7)
    assert judge(request(log, 7, signed), seen(signed), KEYS) is None


def test_an_unknown_log_is_not_found(log):
    assert judge(request(log, 0, log.grow(3)), None, ()).status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("keys", [(STRANGER.verifier,), (Ed25519Signer("other", bytes(32)).verifier,)])
def test_a_checkpoint_without_a_signature_of_a_known_key_is_forbidden(log, keys):
    assert judge(request(log, 0, log.grow(3)), None, keys).status == HTTPStatus.FORBIDDEN


def test_a_wrong_signature_of_a_known_key_is_forbidden_beside_a_right_one(log):
    signed = log.grow(3)
    wrong = Note(signed.text, (*signed.signatures, Signature(ORIGIN, SIGNER.key_id, bytes(64))))
    assert judge(Submission.of(0, (), wrong), None, KEYS).status == HTTPStatus.FORBIDDEN


def test_one_of_several_keys_of_a_log_is_enough(log):
    assert judge(request(log, 0, log.grow(3)), None, (STRANGER.verifier, *KEYS)) is None


def test_an_old_size_above_the_new_one_is_a_bad_request(log):
    assert judge(request(log, 4, log.grow(3)), None, KEYS).status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("old", [0, 3, 6, 8])
def test_an_old_size_that_is_not_the_last_one_seen_is_a_conflict_that_tells_it(log, old):
    before = seen(log.grow(7))
    refusal = judge(request(log, old, log.grow(9)), before, KEYS)
    assert (refusal.status, refusal.size, refusal.is_fork) == (HTTPStatus.CONFLICT, 7, False)


def test_an_old_checkpoint_shown_again_is_a_conflict(log):
    old, now = log.grow(3), log.grow(7)
    refusal = judge(request(log, 3, old), seen(now), KEYS)
    assert (refusal.status, refusal.size) == (HTTPStatus.CONFLICT, 7)


def test_another_root_of_the_same_size_is_a_conflict_without_size(log, fork):
    refusal = judge(request(fork, 7, fork.grow(7, "forged")), seen(log.grow(7)), KEYS)
    assert (refusal.status, refusal.size, refusal.is_fork) == (HTTPStatus.CONFLICT, None, True)


def test_a_fork_that_is_longer_cannot_be_processed(log, fork):
    fork.grow(6)
    signed = fork.grow(9, "forged")
    refusal = judge(request(fork, 7, signed), seen(log.grow(7)), KEYS)
    assert (refusal.status, refusal.is_fork) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)


@pytest.mark.parametrize("old", [0, 5, 8])
def test_a_proof_with_a_hash_too_many_too_few_or_altered_cannot_be_processed(log, old):
    before = seen(log.grow(old))
    right = request(log, old, log.grow(8))
    altered = tuple(bytes(32) for _ in right.proof[:1])
    for proof in ((*right.proof, bytes(32)), right.proof[:-1], altered + right.proof[1:]):
        if proof != right.proof:
            wrong = Submission.of(old, proof, right.note)
            assert judge(wrong, before, KEYS).status == HTTPStatus.UNPROCESSABLE_ENTITY
