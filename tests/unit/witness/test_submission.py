"""The body of add-checkpoint: one spelling, and limits."""

import base64

import pytest
from logs_to_witness import GrowingLog
from recursive_tree import records_of

from deepseek_local.errors import AuditError
from deepseek_local.tlog.tree import leaf
from deepseek_local.witness.submission import PROOF_LIMIT, Submission

HASH = base64.b64encode(leaf(b"x"))


@pytest.fixture
def signed(tmp_path):
    return GrowingLog(tmp_path / "log").grow(5)


def test_a_submission_is_read_as_it_was_written(signed):
    written = Submission.of(3, tuple(map(leaf, records_of(PROOF_LIMIT))), signed)
    assert Submission.parse(written.encode()) == written


def test_a_body_has_the_lines_that_the_specification_shows(signed):
    body = Submission.of(3, (leaf(b"x"),), signed).encode()
    assert body == b"old 3\n" + HASH + b"\n\n" + signed.encode()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"old\n",
        b"old \n",
        b"old -1\n",
        b"old +1\n",
        b"old 01\n",
        b"old 1 \n",
        b"old  1\n",
        b"OLD 1\n",
        b"new 1\n",
        b"old 1\r\n",
        b"old \xd9\xa1\n",
        b"old \xff\n",
        b"old 9223372036854775808\n",
        b"old 99999999999999999999\n",
        b"old 1\nAAAA\n",
        b"old 1\n " + HASH + b"\n",
        b"old 1\n" + HASH[:-1] + b"\n",
        b"old 1\n" + (HASH + b"\n") * (PROOF_LIMIT + 1),
    ],
)
def test_any_other_head_is_refused(signed, head):
    with pytest.raises(AuditError):
        Submission.parse(head + b"\n" + signed.encode())


@pytest.mark.parametrize(
    "below",
    [b"", b"text\n", b"text\n\n\xe2\x80\x94 x AAAAAAA=\n", b"a\n1\nAAAA\n\n\xe2\x80\x94 x AAAAAAA=\n", b"\xff\n\n"],
)
def test_what_follows_must_be_a_checkpoint(below):
    with pytest.raises(AuditError):
        Submission.parse(b"old 0\n\n" + below)


def test_a_body_without_an_empty_line_is_refused():
    with pytest.raises(AuditError, match="no empty line"):
        Submission.parse(b"old 0\n")
