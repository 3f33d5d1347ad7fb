"""Two histories under one name do not get past the witnesses, whoever signs them."""

import httpx
import pytest
from logs_to_witness import GrowingLog
from witness_process import submit, submit_by_process

from deepseek_local.tlog.tree import consistency_proof
from deepseek_local.witness.submission import SIZE_TYPE, Submission

pytestmark = pytest.mark.integration


def forge(home):
    """Make a log with the same key whose records are others from the fourth on."""
    log = GrowingLog(home.log.directory.with_name("forged"), home.log.signer)
    log.grow(3)
    return log


@pytest.mark.parametrize("size", [9, 12], ids=["as long", "longer"])
def test_a_fork_that_is_shown_to_two_witnesses_is_found(house, size):
    home = house(2)
    home.log.grow(9)
    assert submit(home.log.directory, home.policy).code == 0
    forged = forge(home)
    forged.grow(size, "forged")
    before = home.seen()
    done = submit_by_process(forged.directory, home.policy)()
    assert done.code == 5
    assert done.err.count("has seen another log: the") == 2
    assert home.seen() == before
    assert not (forged.directory / "tlog/checkpoint.witnessed").exists()


def test_a_fork_of_which_each_witness_saw_one_side_is_found_at_the_first_meeting(house, tmp_path):
    home = house(2, "any")
    home.log.grow(9)
    forged = forge(home)
    forged.grow(9, "forged")
    sides = []
    for log, witness in zip((home.log, forged), home.witnesses, strict=True):
        side = tmp_path / f"{witness.name}.policy"
        side.write_text(home.policy.read_text().replace(f" {witness.url}", " there"))
        sides.append((log, side))
    # Each side is shown to one witness and hidden from the other.
    for (log, _), (_, side) in zip(sides, reversed(sides), strict=True):
        assert submit(log.directory, side).code == 0
    # One cosignature would be enough; that the other witness knows better outweighs it.
    done = submit(home.log.directory, home.policy)
    assert done.code == 5
    assert "w2 has seen another log" in done.err


def test_a_log_that_was_brought_back_from_an_old_copy_is_found(house, tmp_path):
    home = house(1)
    home.log.grow(9)
    assert submit(home.log.directory, home.policy).code == 0
    old = GrowingLog(tmp_path / "old", home.log.signer)
    old.grow(5)
    done = submit(old.directory, home.policy)
    assert done.code == 5
    assert "w1 has seen another log: 9 records" in done.err
    assert "here are only 5" in done.err


def test_an_old_checkpoint_that_is_sent_again_gets_the_size_and_no_cosignature(house):
    home = house(1)
    first = Submission.of(0, (), home.log.grow(5)).encode()
    second = home.log.grow(9)
    second = Submission.of(5, tuple(consistency_proof(5, 9, home.log.hash_at)), second).encode()
    url = f"{home.witnesses[0].url}/add-checkpoint"
    with httpx.Client(trust_env=False) as client:
        assert [client.post(url, content=body).status_code for body in (first, second)] == [200, 200]
        again = [client.post(url, content=body) for body in (first, second)]
    assert [(answer.status_code, answer.headers["content-type"], answer.text) for answer in again] == [
        (409, SIZE_TYPE, "9\n")
    ] * 2


def test_damaged_tiles_are_no_fork(house):
    home = house(1)
    home.log.grow(5)
    assert submit(home.log.directory, home.policy).code == 0
    home.log.grow(9)
    (home.log.directory / "tlog/tile/0/000.p/9").write_bytes(bytes(9 * 32))
    done = submit(home.log.directory, home.policy)
    assert done.code == 1
    assert "do not fit the checkpoint" in done.err
