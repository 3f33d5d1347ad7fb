"""The order of a witness's work: nothing leaves before it is safe, and of two at once the second meets what the first left."""

import os
import threading
from pathlib import Path

import pytest
from logs_to_witness import ORIGIN, GrowingLog, policy_text

from deepseek_local.errors import WitnessError
from deepseek_local.tlog import note, policy
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import Cosigner, time_of
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.tlog.tree import consistency_proof
from deepseek_local.witness import memory
from deepseek_local.witness.cosigning import Cosigning
from deepseek_local.witness.memory import Book, Memory
from deepseek_local.witness.submission import SIZE_TYPE, Submission

NOW = 1_764_000_000


@pytest.fixture
def log(tmp_path):
    return GrowingLog(tmp_path / "log")


@pytest.fixture
def witness(tmp_path):
    memory.create(tmp_path / "witness", "audit.example/w1")
    logs = policy.parse(policy_text([], "none").encode())
    return Cosigning(Memory(tmp_path / "witness"), logs, lambda: NOW + 0.9)


def body(log: GrowingLog, old: int, size: int) -> bytes:
    return Submission.of(old, tuple(consistency_proof(old, size, log.hash_at)), log.grow(size)).encode()


def test_the_answer_is_a_cosignature_of_the_checkpoint_with_the_time(witness, log, tmp_path):
    answer = witness.answer(body(log, 0, 5))
    line = Signature.parse(answer.body.decode().removesuffix("\n"))
    assert answer.status == 200
    assert note.verify(Note(log.checkpoint().text, (line,)), [Memory(tmp_path / "witness").cosigner.verifier])
    assert time_of(line.signature) == NOW


def test_a_conflict_of_sizes_is_answered_with_the_size_alone(witness, log):
    witness.answer(body(log, 0, 5))
    answer = witness.answer(body(log, 0, 7))
    assert (answer.status, answer.media_type, answer.body) == (409, SIZE_TYPE, b"5\n")


@pytest.mark.parametrize("sent", [b"", b"old 0\n\n", b"\xff" * 100])
def test_what_cannot_be_read_is_a_bad_request_with_a_sentence(witness, sent):
    answer = witness.answer(sent)
    assert (answer.status, answer.body.count(b"\n"), answer.media_type) == (400, 1, "text/plain; charset=utf-8")


def test_the_memory_is_on_the_disk_before_the_signature_is_made(witness, log, monkeypatch):
    steps = []

    def noted(owner, name, word):
        real = getattr(owner, name)

        def step(*arguments):
            steps.append(word)
            return real(*arguments)

        monkeypatch.setattr(owner, name, step)

    noted(os, "fsync", "sync")
    noted(Path, "replace", "rename")
    noted(Cosigner, "sign", "sign")
    first, again = body(log, 0, 5), body(log, 5, 5)
    assert witness.answer(first).status == 200
    assert steps == ["sync", "rename", "sync", "sign"]
    # Whoever wrote it may have died before the last step, so what is remembered already is made safe again.
    assert witness.answer(again).status == 200
    assert steps == ["sync", "rename", "sync", "sign"] * 2


def test_what_cannot_be_remembered_is_not_signed(witness, log, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        answer = witness.answer(body(log, 0, 5))
    assert (answer.status, b"No space" in answer.body) == (500, False)
    assert "No space left on device" in caplog.text
    assert witness.answer(body(log, 0, 5)).status == 200


@pytest.mark.parametrize("moment", [-1.0, NOW - 1])
def test_at_a_time_before_1970_or_before_the_last_cosignature_nothing_is_signed_or_kept(
    witness, log, tmp_path, caplog, moment
):
    assert witness.answer(body(log, 0, 5)).status == 200
    before = (tmp_path / "witness" / "memory.json").read_bytes()
    again = body(log, 5, 5)
    log.grow(7)
    late = Cosigning(Memory(tmp_path / "witness"), witness._logs, lambda: moment)
    assert [late.answer(sent).status for sent in (again, body(log, 5, 7))] == [500, 500]
    assert "before the last cosignature; set it" in caplog.text
    assert (tmp_path / "witness" / "memory.json").read_bytes() == before
    assert witness.answer(body(log, 5, 7)).status == 200


def test_what_strangers_sign_below_a_checkpoint_is_neither_kept_nor_written_down(witness, log, tmp_path, caplog):
    def with_strangers(signed: Note) -> Note:
        strangers = [Signature("stranger", b"1234", b"x" * 400) for _ in range(60)]
        return Note(signed.text, (*strangers, *signed.signatures))

    signed = log.grow(5)
    assert witness.answer(Submission.of(0, (), with_strangers(signed)).encode()).status == 200
    with Memory(tmp_path / "witness").held() as book:
        assert book.seen(ORIGIN).size == 5
    assert "stranger" not in (tmp_path / "witness" / "memory.json").read_text()
    forged = GrowingLog(tmp_path / "fork").grow(5, "forged")
    assert witness.answer(Submission.of(5, (), with_strangers(forged)).encode()).status == 409
    assert repr(forged.encode().decode()) in caplog.text
    assert "stranger" not in caplog.text


def test_a_long_name_of_an_unknown_log_is_not_repeated(witness, caplog):
    text = Checkpoint("x" * 50_000, 1, bytes(32)).text()
    signed = Note(text, (Signature("x", b"1234", b"x"),))
    answer = witness.answer(Submission.of(0, (), signed).encode())
    assert answer.status == 404
    assert len(answer.body) < 500
    assert len(caplog.text) < 1_000


def test_a_lost_memory_ends_the_signing_at_once(witness, log, tmp_path):
    (tmp_path / "witness" / "memory.json").unlink()
    assert witness.answer(body(log, 0, 5)).status == 500


def test_of_two_submissions_at_the_same_moment_the_later_one_sees_the_first(witness, log, monkeypatch):
    both, keep = threading.Event(), Book.keep

    def slow(*arguments):
        both.wait(5)
        keep(*arguments)

    monkeypatch.setattr(Book, "keep", slow)
    sent = [body(log, 0, 5), body(log, 0, 7)]
    answers = []
    threads = [threading.Thread(target=lambda each=each: answers.append(witness.answer(each))) for each in sent]
    for thread in threads:
        thread.start()
    both.set()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200, 409]


def test_a_fork_is_written_down_with_what_the_log_signed(witness, log, tmp_path, caplog):
    witness.answer(body(log, 0, 5))
    forged = GrowingLog(tmp_path / "fork")
    forged.grow(5, "forged")
    answer = witness.answer(body(forged, 5, 5))
    assert (answer.status, answer.media_type) == (409, "text/plain; charset=utf-8")
    assert repr(forged.checkpoint().encode().decode()) in caplog.text


def test_each_log_is_remembered_by_itself(tmp_path):
    memory.create(tmp_path / "witness", "audit.example/w1")
    first = GrowingLog(tmp_path / "first")
    second = GrowingLog(tmp_path / "second", type(first.signer)("other/audit/2026", bytes(32)))
    logs = policy.parse(f"log {first.signer.verifier}\nlog {second.signer.verifier}\nquorum none\n".encode())
    witness = Cosigning(Memory(tmp_path / "witness"), logs)
    assert [witness.answer(body(log, 0, size)).status for log, size in ((first, 5), (second, 3))] == [200, 200]
    assert [witness.answer(body(log, 0, 9)).body for log in (first, second)] == [b"5\n", b"3\n"]
    assert first.signer.name == ORIGIN


def test_a_failure_says_nothing_about_the_host(witness, log, monkeypatch):
    def broken(*_):
        raise WitnessError("/secret/place is damaged")

    monkeypatch.setattr(Book, "seen", broken)
    assert b"secret" not in witness.answer(body(log, 0, 5)).body
