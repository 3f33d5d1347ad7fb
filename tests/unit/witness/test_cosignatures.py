"""Cosignatures that were got once are kept, whatever comes after."""

import json

import pytest
from logs_to_witness import GrowingLog, policy_text

from deepseek_local.errors import WitnessError
from deepseek_local.tlog import policy
from deepseek_local.tlog.keys import Cosigner
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.witness.cosignatures import Cosignatures

X, Y = (Cosigner(f"audit.example/{name}", bytes([number] * 32)) for number, name in enumerate("xy"))
WITNESSES = [("X", str(X.verifier), None), ("Y", str(Y.verifier), None)]
BOTH, ONE = (policy.parse(policy_text(WITNESSES, quorum).encode()) for quorum in ("all", "any"))


@pytest.fixture
def log(tmp_path):
    return GrowingLog(tmp_path / "log")


@pytest.fixture
def kept(log):
    return Cosignatures(log.directory)


def line(cosigner: Cosigner, signed: Note, seconds: int = 5) -> Signature:
    return Signature(cosigner.name, cosigner.key_id, cosigner.sign(signed.text, seconds))


def lines(log: GrowingLog) -> list[dict]:
    return [json.loads(text) for text in (log.directory / "cosignatures.jsonl").read_text().splitlines()]


def test_a_checkpoint_with_enough_cosignatures_is_stored_with_them(log, kept):
    signed = log.grow(3)
    assert kept.keep(signed, {"Y": line(Y, signed), "X": line(X, signed)}, BOTH)
    stored = kept.witnessed()
    assert stored.text == signed.text
    assert stored.signatures[: len(signed.signatures)] == signed.signatures
    assert BOTH.cosigners(stored) == {"X", "Y"}


def test_every_cosignature_has_a_line(log, kept):
    signed = log.grow(3)
    kept.keep(signed, {"Y": line(Y, signed, 7)}, BOTH)
    kept.keep(signed, {"X": line(X, signed, 8)}, BOTH)
    assert lines(log) == [
        {"cosignature": str(line(Y, signed, 7)), "text": signed.text, "time": 7, "witness": "Y"},
        {"cosignature": str(line(X, signed, 8)), "text": signed.text, "time": 8, "witness": "X"},
    ]


def test_too_few_cosignatures_leave_the_last_good_checkpoint(log, kept):
    good = log.grow(3)
    kept.keep(good, {"X": line(X, good), "Y": line(Y, good)}, BOTH)
    later = log.grow(5)
    assert not kept.keep(later, {"X": line(X, later)}, BOTH)
    assert kept.witnessed().text == good.text


def test_cosignatures_of_one_checkpoint_add_up_and_the_newer_of_one_key_wins(log, kept):
    signed = log.grow(3)
    assert kept.keep(signed, {"X": line(X, signed, 1)}, ONE)
    assert kept.keep(signed, {"Y": line(Y, signed, 2)}, BOTH)
    assert kept.keep(signed, {"Y": line(Y, signed, 3)}, BOTH)
    assert set(kept.witnessed().signatures) == {*signed.signatures, line(X, signed, 1), line(Y, signed, 3)}


def test_a_slower_submission_does_not_bring_an_older_checkpoint_back(log, kept):
    old, new = log.grow(3), log.grow(5)
    kept.keep(new, {"X": line(X, new)}, ONE)
    assert kept.keep(old, {"X": line(X, old)}, ONE)
    assert kept.witnessed().text == new.text


def test_a_torn_line_stands_alone(log, kept):
    signed = log.grow(3)
    (log.directory / "cosignatures.jsonl").write_bytes(b'{"cosig')
    kept.keep(signed, {"X": line(X, signed)}, ONE)
    torn, whole = (log.directory / "cosignatures.jsonl").read_text().splitlines()
    assert (torn, json.loads(whole)["witness"]) == ('{"cosig', "X")


def test_a_damaged_checkpoint_is_as_good_as_none(log, kept, caplog):
    (log.directory / "tlog/checkpoint.witnessed").write_text("damaged")
    assert kept.witnessed() is None
    assert "of no use" in caplog.text
    signed = log.grow(3)
    assert kept.keep(signed, {"X": line(X, signed)}, ONE)
    assert kept.witnessed().text == signed.text


def test_a_place_that_cannot_be_written_is_named(log, kept):
    (log.directory / "cosignatures.jsonl").mkdir()
    signed = log.grow(3)
    with pytest.raises(WitnessError, match=r"cosignatures\.jsonl"):
        kept.keep(signed, {"X": line(X, signed)}, ONE)
