"""Upper bounds of what a request uses, and what it counts in the end."""

from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.quota.tokens import Demand, Reservation, reserve

COUNTS = st.integers(0, 10_000)


def test_a_prompt_has_no_more_tokens_than_bytes():
    assert reserve(Demand(body_bytes=900, answer_tokens=100), 4096) == Reservation(900, 100)


def test_nothing_is_longer_than_the_context_of_the_model():
    assert reserve(Demand(body_bytes=900_000, answer_tokens=100_000), 4096) == Reservation(4096, 4096)


def test_every_answer_to_every_prompt_is_reserved():
    assert reserve(Demand(body_bytes=900, prompts=3, answers=2, answer_tokens=100), 4096) == Reservation(900, 600)
    assert reserve(Demand(body_bytes=90_000, prompts=3, answers=2), 4096) == Reservation(3 * 4096, 6 * 4096)


def test_a_text_that_every_prompt_contains_is_reserved_for_each():
    assert reserve(Demand(body_bytes=900, prompts=3, answer_tokens=0, shares_text=True), 4096) == Reservation(2700, 0)
    assert reserve(Demand(body_bytes=9000, prompts=3, answer_tokens=0, shares_text=True), 4096).prompt == 3 * 4096


def test_a_request_that_counts_what_makes_no_sense_is_counted_as_one():
    assert reserve(Demand(body_bytes=10, prompts=0, answers=-1, answer_tokens=-5), 4096) == Reservation(10, 0)


@given(st.builds(Reservation, COUNTS, COUNTS), COUNTS, COUNTS, COUNTS)
def test_what_the_engine_counted_counts(reservation, tokens_in, tokens_out, chunks):
    assert reservation.used(tokens_in, tokens_out, chunks) == tokens_in + tokens_out


@given(st.builds(Reservation, COUNTS, COUNTS), COUNTS)
def test_an_answer_without_a_count_never_counts_more_than_was_reserved(reservation, chunks):
    assert reservation.used(None, None, chunks) == min(reservation.prompt + chunks, reservation.total)


def test_what_the_engine_knows_of_an_unfinished_answer_is_taken():
    assert Reservation(100, 50).used(7, None, 3) == 10
    assert Reservation(100, 50).used(None, 5, 3) == 105
