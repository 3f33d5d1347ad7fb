"""A round asks about one checkpoint, begins anew when the log has grown meanwhile, and lets no finding pass."""

import httpx
import pytest
from logs_to_witness import GrowingLog, policy_text

from deepseek_local.errors import AuditError, TamperedError, WitnessError
from deepseek_local.tlog import note, policy
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.tlog.tree import consistency_proof
from deepseek_local.witness import memory
from deepseek_local.witness.cosignatures import Cosignatures
from deepseek_local.witness.cosigning import Cosigning
from deepseek_local.witness.local_log import LocalLog
from deepseek_local.witness.memory import Memory
from deepseek_local.witness.round import Round
from deepseek_local.witness.submission import Submission


@pytest.fixture
def log(tmp_path):
    return GrowingLog(tmp_path / "audit")


@pytest.fixture
def witness(tmp_path):
    memory.create(tmp_path / "witness", "audit.example/w1")
    return Cosigning(Memory(tmp_path / "witness"), policy.parse(policy_text([], "none").encode()))


@pytest.fixture
def round_of(log, witness, web, reply, tmp_path):
    """Make a round with one witness; `before` is called before each of its answers."""

    def make(before=lambda: None, quorum: str = "all", signer=log.signer):
        def answer(request):
            before()
            done = witness.answer(request.body)
            return reply(done.status, (done.body,), {"content-type": done.media_type})

        key = str(Memory(tmp_path / "witness").cosigner.verifier)
        rules = policy.parse(policy_text([("w1", key, web(answer))], quorum, signer).encode())
        client = httpx.Client(trust_env=False, verify=False)  # noqa: S501 -- it speaks plain HTTP on loopback
        return Round(LocalLog(log.directory), Cosignatures(log.directory), rules, client)

    return make


def show(witness, log, old: int, signed: Note) -> None:
    """Let somebody else submit the log."""
    size = int(signed.text.split("\n")[1])
    proof = tuple(consistency_proof(old, size, log.hash_at))
    assert witness.answer(Submission.of(old, proof, signed).encode()).status == 200


def test_a_report_tells_who_signed_and_when(log, round_of):
    log.grow(3)
    report = round_of().run()
    assert (report.origin, report.size, list(report.cosigned), dict(report.missed)) == (log.signer.name, 3, ["w1"], {})


def test_a_witness_is_asked_once_when_it_is_known_how_far_it_is(log, round_of):
    asked = []
    log.grow(3)
    once = round_of(lambda: asked.append(1))
    once.run()
    log.grow(300)
    once.run()
    assert len(asked) == 2


def test_a_faster_submission_of_a_log_that_grows_is_no_finding(log, witness, round_of):
    log.grow(3)
    faster = [lambda: show(witness, log, 0, log.grow(9))]

    def once():
        if faster:
            faster.pop()()

    assert round_of(once).run().size == 9


def test_a_log_that_never_rests_is_given_up_for_now(log, witness, round_of):
    sizes = iter(range(3, 100))
    log.grow(next(sizes))
    last = [0]

    def faster():
        size = next(sizes)
        show(witness, log, last[0], log.grow(size))
        last[0] = size

    with pytest.raises(WitnessError, match="grows faster"):
        round_of(faster).run()


def test_a_witness_that_knows_more_than_there_is_is_a_finding_even_without_a_quorum(log, witness, round_of):
    show(witness, log, 0, log.grow(9))
    (log.directory / "tlog/checkpoint").write_bytes(GrowingLog(log.directory / "old").grow(5).encode())
    with pytest.raises(TamperedError, match=r"9 records of .* and here are only 5"):
        round_of(quorum="none").run()


def test_a_wrong_signature_of_the_log_is_tampering(log, round_of):
    signed = log.grow(3)
    wrong = Note(signed.text, (Signature(log.signer.name, log.signer.key_id, bytes(64)),))
    (log.directory / "tlog/checkpoint").write_bytes(wrong.encode())
    with pytest.raises(TamperedError, match="wrong signature"):
        round_of().run()


def test_a_log_with_a_key_that_the_policy_does_not_have_is_not_shown(log, round_of):
    log.grow(3)
    with pytest.raises(WitnessError, match="no `log` line"):
        round_of(signer=Ed25519Signer(log.signer.name, bytes(32))).run()


def test_damaged_tiles_end_the_round(log, witness, round_of):
    show(witness, log, 0, log.grow(5))
    log.grow(9)
    (log.directory / "tlog/tile/0/000.p/9").write_bytes(bytes(32))
    with pytest.raises(AuditError):
        round_of().run()


def test_other_signature_lines_of_the_log_stay_in_the_note(log, round_of):
    signed = log.grow(3)
    mac = Signature(f"{log.signer.name}/mac", b"\x01\x02\x03\x04", bytes(32))
    (log.directory / "tlog/checkpoint").write_bytes(Note(signed.text, (*signed.signatures, mac)).encode())
    round_of().run()
    stored = note.parse((log.directory / "tlog/checkpoint.witnessed").read_bytes())
    assert stored.signatures[:2] == (*signed.signatures, mac)
