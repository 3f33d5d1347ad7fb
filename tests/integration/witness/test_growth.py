"""A log that only grows gets its cosignatures, from processes over loopback."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from logs_to_witness import policy_text
from witness_process import PATIENCE_SECONDS, submit, submit_by_process

from deepseek_local.tlog import checkpoint, note, policy
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.witness.submission import Submission

pytestmark = pytest.mark.integration

OTHER = Ed25519Signer("other/audit/2026", bytes(32))
NOBODY = "http://127.0.0.1:1"


def witnessed(home):
    return note.parse((home.log.directory / "tlog/checkpoint.witnessed").read_bytes())


def leave_out(home, name):
    """Let nobody be there who can be asked under this name."""
    url = next(witness.url for witness in home.witnesses if witness.name == name)
    home.policy.write_text(home.policy.read_text().replace(url, NOBODY))


def test_a_log_that_grows_is_cosigned_by_everybody_each_time(house):
    home = house(2)
    for size in (1, 5, 5, 300):
        signed = home.log.grow(size)
        done = submit_by_process(home.log.directory, home.policy, "--format", "json")()
        assert done.code == 0, done.err
        report = json.loads(done.out)
        assert (report["origin"], report["size"], set(report["cosigned"])) == (home.origin, size, {"w1", "w2"})
        stored = witnessed(home)
        assert stored.text == signed.text
        assert policy.parse(home.policy.read_bytes()).cosigners(stored) == {"w1", "w2"}
    assert len((home.log.directory / "cosignatures.jsonl").read_text().splitlines()) == 8
    assert home.seen() == [signed.encode().decode()] * 2


def test_a_quorum_of_two_of_three_does_without_the_third(house):
    home = house(3, "2")
    home.log.grow(3)
    leave_out(home, "w3")
    done = submit(home.log.directory, home.policy)
    assert done.code == 0, done.err
    assert "the quorum enough is reached" in done.out
    assert f"w3: {NOBODY} cannot be asked" in done.out


def test_too_few_witnesses_are_a_failure_that_names_them(house):
    home = house(2)
    home.log.grow(3)
    leave_out(home, "w2")
    done = submit(home.log.directory, home.policy)
    assert done.code == 1
    assert "the quorum 'enough' is not reached for 3 records" in done.err
    assert f"w2: {NOBODY} cannot be asked" in done.err
    assert not (home.log.directory / "tlog/checkpoint.witnessed").exists()
    assert len((home.log.directory / "cosignatures.jsonl").read_text().splitlines()) == 1


def test_a_witness_that_was_away_catches_up(house):
    home = house(2, "any")
    home.log.grow(3)
    leave_out(home, "w2")
    assert submit(home.log.directory, home.policy).code == 0
    home.log.grow(300)
    home.agree("all")
    assert submit(home.log.directory, home.policy).code == 0
    assert policy.parse(home.policy.read_bytes()).cosigners(witnessed(home)) == {"w1", "w2"}


def test_a_log_that_the_witness_does_not_know_is_told_so(house):
    home = house(1)
    home.log.signer = OTHER
    home.log.grow(3)
    home.agree()
    done = submit(home.log.directory, home.policy)
    assert done.code == 1
    assert "404" in done.err
    assert "is not known here" in done.err


def test_a_log_with_another_key_than_the_witness_knows_is_told_so(house):
    home = house(1)
    home.log.signer = Ed25519Signer(home.origin, bytes(32))
    home.log.grow(3)
    home.agree()
    done = submit(home.log.directory, home.policy)
    assert done.code == 1
    assert "403" in done.err


def test_a_policy_without_the_key_of_the_log_asks_nobody(house):
    home = house(1)
    home.log.grow(3)
    home.policy.write_text(policy_text([("w1", home.witnesses[0].key, home.witnesses[0].url)], "all", OTHER))
    done = submit(home.log.directory, home.policy)
    assert done.code == 1
    assert "no `log` line of the policy" in done.err
    assert home.seen() == [None]


def test_many_submissions_at_once_all_get_their_cosignatures(house):
    home = house(2)
    home.log.grow(3)
    assert submit(home.log.directory, home.policy).code == 0
    home.log.grow(50)
    running = [submit_by_process(home.log.directory, home.policy) for _ in range(3)]
    done = [wait() for wait in running]
    assert [each.code for each in done] == [0] * 3, [each.err for each in done]
    assert all(json.loads(line) for line in (home.log.directory / "cosignatures.jsonl").read_text().splitlines())
    assert checkpoint.parse(witnessed(home).text).size == 50


def test_of_many_first_submissions_at_once_one_wins_and_all_others_hear_its_size(house):
    home = house(1)
    bodies = [Submission.of(0, (), home.log.grow(size)).encode() for size in range(1, 41)]
    url = f"{home.witnesses[0].url}/add-checkpoint"
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda body: client.post(url, content=body), bodies))
    won = [size for size, answer in enumerate(answers, start=1) if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.text for answer in answers if answer.status_code == 409} == {f"{won[0]}\n"}
    assert checkpoint.parse(note.parse(home.seen()[0].encode()).text).size == won[0]


def test_a_witness_ends_with_sigterm(mortal):
    (witness,) = mortal.witnesses
    os.kill(witness.process.pid, signal.SIGTERM)
    assert witness.ended() == -signal.SIGTERM
