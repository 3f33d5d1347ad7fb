"""The catalogue: complete, consistent with its own arithmetic, and strict about what it takes for an answer."""

import pytest

from deepseek_local.models import card
from deepseek_local.models.facts import MLA, ModelFacts

PUBLISHED_BILLIONS = {
    "smollm2-135m-instruct": 0.1345,
    "deepseek-llm-7b-chat": 6.91,
    "deepseek-llm-67b-chat": 67.43,
    "deepseek-r1-distill-qwen-7b": 7.62,
    "deepseek-r1-distill-qwen-32b": 32.76,
    "deepseek-v2-lite-chat": 15.71,
    "deepseek-v3": 671.03,
    "deepseek-r1": 671.03,
}


def dense_attention(facts: ModelFacts) -> int:
    return 2 * facts.hidden * facts.head_dim * (facts.heads + facts.kv_heads)


def latent_attention(facts: ModelFacts, mla: MLA) -> int:
    query_from = mla.query_rank or facts.hidden
    compress = 0 if mla.query_rank is None else facts.hidden * mla.query_rank
    query = compress + query_from * facts.heads * (mla.nope_dim + mla.rope_dim)
    keys_values = facts.hidden * (mla.kv_rank + mla.rope_dim) + mla.kv_rank * facts.heads * (
        mla.nope_dim + mla.value_dim
    )
    return query + keys_values + facts.heads * mla.value_dim * facts.hidden


def parameters(facts: ModelFacts) -> float:
    attention = dense_attention(facts) if facts.mla is None else latent_attention(facts, facts.mla)
    dense, routed = facts.layers, 0
    if facts.experts is not None:
        dense = facts.experts.dense_first
        routed = (facts.experts.routed + facts.experts.shared) * 3 * facts.hidden * facts.experts.intermediate
    feed_forward = dense * 3 * facts.hidden * facts.intermediate + (facts.layers - dense) * routed
    embeddings = (1 if facts.hidden < 1024 else 2) * facts.vocabulary * facts.hidden
    return (facts.layers * attention + feed_forward + embeddings) / 1e9


def test_every_card_has_a_published_size_to_check_against():
    assert set(card.names()) == set(PUBLISHED_BILLIONS)


@pytest.mark.parametrize("name", sorted(PUBLISHED_BILLIONS))
def test_the_numbers_of_a_card_add_up_to_the_published_parameter_count(name):
    found = card.find(name)
    assert found is not None
    assert parameters(found.facts) == pytest.approx(PUBLISHED_BILLIONS[name], rel=0.002)


@pytest.mark.parametrize("name", sorted(PUBLISHED_BILLIONS))
def test_every_card_names_its_source_and_can_be_asked(name):
    found = card.find(name)
    assert found is not None
    assert found.source
    assert found.golden is not None
    assert found.golden.max_tokens < found.facts.max_position_embeddings


def test_a_model_that_thinks_has_room_to_think():
    thinking = [found for name in card.names() if (found := card.find(name)) and found.reasoning_parser]
    assert {found.name for found in thinking} >= {"deepseek-r1", "deepseek-r1-distill-qwen-7b"}
    assert all(found.golden and found.golden.max_tokens >= 1024 for found in thinking)


def test_an_unknown_name_has_no_card():
    assert card.find("gpt-7") is None


def test_an_exact_answer_is_the_whole_text_but_for_white_space():
    golden = card.Golden("?", "Paris.", exact=True, max_tokens=8)
    assert golden.is_answered_by(" Paris.\n")
    assert not golden.is_answered_by("Paris. Paris.")


def test_an_inexact_answer_is_part_of_the_text():
    golden = card.Golden("?", "Paris", exact=False, max_tokens=8)
    assert golden.is_answered_by("It is Paris, of course.")
    assert not golden.is_answered_by("It is Lyon.")
