"""What a witness may answer, and what becomes of it; nothing that it says is believed."""

import httpx
import pytest
from logs_to_witness import GrowingLog

from deepseek_local.tlog import checkpoint
from deepseek_local.tlog.keys import Cosigner
from deepseek_local.tlog.note import Signature
from deepseek_local.tlog.policy import Witness
from deepseek_local.witness import asking
from deepseek_local.witness.asking import Ahead, Cosigned, Forked, Missed, ask
from deepseek_local.witness.local_log import LocalLog
from deepseek_local.witness.submission import SIZE_TYPE, Submission

COSIGNER = Cosigner("audit.example/w1", bytes(range(32)))
STRANGER = Cosigner("audit.example/w1", bytes(32))
SIZE = 9


@pytest.fixture
def log(tmp_path):
    made = GrowingLog(tmp_path / "log")
    made.grow(SIZE)
    return made


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr(asking.time, "time", lambda: 1_764_000_000.0)
    return 1_764_000_000


@pytest.fixture
def asked(log, web, reply):
    """Ask a witness that gives these answers one after the other; return the outcome and what it was sent."""

    def run(*answers, old: int = 0, url: str | None = ""):
        sent, waiting = [], list(answers)

        def handle(request):
            sent.append((request.path, Submission.parse(request.body)))
            answer = waiting.pop(0)
            return answer if isinstance(answer, reply) else reply(chunks=(answer,) if answer else ())

        with httpx.Client(trust_env=False) as client:
            prefix = f"{web(handle)}/prefix/" if url == "" else url
            return ask(client, Witness("X", COSIGNER.verifier, prefix), old, submissions(log)), sent

    return run


@pytest.fixture
def size(reply):
    def make(text: str, media_type: str = SIZE_TYPE):
        return reply(409, (text.encode(),), {"content-type": media_type})

    return make


def submissions(log: GrowingLog):
    signed = log.checkpoint()
    new = checkpoint.parse(signed.text)
    return lambda old: Submission(old, LocalLog(log.directory).proof(old, new), signed, new)


def line(log: GrowingLog, seconds: int, cosigner: Cosigner = COSIGNER) -> bytes:
    text = log.checkpoint().text
    return f"{Signature(cosigner.name, cosigner.key_id, cosigner.sign(text, seconds))}\n".encode()


def test_a_right_cosignature_counts(asked, log, now):
    outcome, sent = asked(line(log, now))
    assert isinstance(outcome, Cosigned)
    assert [path for path, _ in sent] == ["/prefix/add-checkpoint"]


def test_cosignatures_of_unknown_keys_are_passed_over(asked, log, now):
    outcome, _ = asked(line(log, now, STRANGER) + line(log, now))
    assert outcome == Cosigned(Signature.parse(line(log, now).decode().rstrip("\n")))


def test_it_is_asked_again_from_where_it_is(asked, size, log, now):
    outcome, sent = asked(size("4\n"), size("7\n"), line(log, now))
    assert isinstance(outcome, Cosigned)
    assert [request.old_size for _, request in sent] == [0, 4, 7]


@pytest.mark.parametrize("distance", [-1_764_000_000, -100_000, 100_000, 2**62])
def test_a_cosignature_of_another_time_does_not_count(asked, log, now, distance):
    assert "more than a day" in asked(line(log, now + distance))[0].reason


@pytest.mark.parametrize("media_type", [SIZE_TYPE, "Text/X.tlog.size; charset=utf-8"])
def test_a_witness_that_has_seen_more_is_ahead(asked, size, media_type):
    assert asked(size("10\n", media_type))[0] == Ahead(10)


@pytest.mark.parametrize("answers", [["4\n"], ["8\n", "4\n"]])
def test_a_witness_that_has_seen_less_than_before_gets_no_proof(asked, size, answers):
    outcome, sent = asked(*map(size, answers), old=7)
    assert "forgot" in outcome.reason
    assert len(sent) == len(answers)


@pytest.mark.parametrize(("old", "status"), [(SIZE, 409), (3, 422), (SIZE, 422)])
def test_a_witness_that_has_seen_another_log_is_heard(asked, reply, old, status):
    outcome, _ = asked(reply(status, (b"another log\n",)), old=old)
    assert outcome == Forked(old, f"{status} 'another log'")


@pytest.mark.parametrize("answer", [b"", b"text\n", b"\xff\n", b"\n" * 70_000])
def test_what_is_no_signature_line_is_no_cosignature(asked, answer):
    assert isinstance(asked(answer)[0], Missed)


@pytest.mark.parametrize("status", [204, 302, 403, 404, 409, 500])
def test_any_other_status_is_no_cosignature_and_no_finding(asked, reply, status):
    assert isinstance(asked(reply(status, (), {"location": "http://127.0.0.1:9"}))[0], Missed)


@pytest.mark.parametrize(
    "sizes", [["0\n"], ["x\n"], ["04\n"], ["9223372036854775808\n"], ["4\n", "4\n"], ["4\n", "5\n", "4\n", "5\n"]]
)
def test_sizes_that_lead_nowhere_are_no_finding(asked, size, sizes):
    assert isinstance(asked(*map(size, sizes))[0], Missed)


def test_a_cosignature_of_another_text_or_key_does_not_count(asked, log, now, tmp_path):
    another = GrowingLog(tmp_path / "another")
    another.grow(4)
    for answer in (line(another, now), line(log, now, STRANGER)):
        assert "compare the keys" in asked(answer)[0].reason


def test_what_it_says_is_shown_short_and_without_control_characters(asked, reply):
    outcome, _ = asked(reply(403, (b"\x1b[2Jno\n" + b"x" * 10_000,)))
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 500


@pytest.mark.parametrize(
    "url", [None, "no url", "ftp://witness.example", "http://[", "http://127.0.0.1:99999", "http://127.0.0.1:1"]
)
def test_a_witness_that_cannot_be_reached_is_missed(asked, url):
    assert isinstance(asked(url=url)[0], Missed)
