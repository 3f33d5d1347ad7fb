"""A resolved profile as YAML."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deepseek_local.profile import listing
from deepseek_local.profile.library import names
from deepseek_local.profile.load import load, resolve
from deepseek_local.profile.source import unprintable


@pytest.mark.parametrize("name", names())
def test_the_text_is_a_profile_of_the_same_value(write, name):
    text = "\n".join(listing.lines(resolve(name)))
    assert load(write(text)) == load(name)


def test_every_value_says_where_it_comes_from(write):
    environment = {"DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS": "8"}
    resolved = resolve(write(), sets=["engine.max_model_len=2048"], environment=environment)
    lines = list(listing.lines(resolved))
    assert "  max_num_seqs: 8  # DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS" in lines
    assert "  max_model_len: 2048  # --set engine.max_model_len" in lines
    assert "  served_name: deepseek  # p.yaml:8" in lines
    assert "  port: 8000  # default" in lines
    assert listing.origins(resolved)["model.served_name"] == "p.yaml:8"


@example("\N{GRINNING FACE} 前门 \\ \" ' # :")
@given(st.text(max_size=30).filter(lambda text: not unprintable(text)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives(write, text):
    profile = load(write()).model_copy(update={"description": text})
    resolved = listing.Resolved(profile, resolve(write()).layer)
    assert load(write("\n".join(listing.lines(resolved)))).description == text


@pytest.mark.parametrize(
    "word", ["no", "Yes", "null", "12:30", "1e3", "", "a # b", "a: b", "-", "[x]", "~", "y", "2026-01-02"]
)
def test_words_that_others_read_differently_are_quoted(write, word):
    profile = load(write()).model_copy(update={"description": word})
    first = next(listing.lines(listing.Resolved(profile, resolve(write()).layer)))
    assert first.startswith(f'description: "{word}"')
