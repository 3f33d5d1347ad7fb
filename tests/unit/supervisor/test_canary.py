import pytest

from deepseek_local.models.card import Golden
from deepseek_local.supervisor.canary import Canary, complaint

EXACT = Golden("What is the capital of France?", "The capital of France is Paris.", exact=True, max_tokens=32)
INSIDE = Golden("What is the capital of France?", "Paris", exact=False, max_tokens=64)


@pytest.mark.parametrize(
    ("golden", "answer"),
    [(EXACT, " The capital of France is Paris.\n"), (INSIDE, "It is Paris, of course."), (None, "It is Paris.")],
)
def test_a_good_answer_raises_no_complaint(golden: Golden | None, answer: str) -> None:
    assert complaint(answer, golden) is None


def test_a_wrong_answer_is_shown_with_its_length() -> None:
    said = complaint("is is is France France", EXACT)
    assert said == (
        "the golden question 'What is the capital of France?' was answered wrongly: 'is is is France France' (22 characters) "
        "is not 'The capital of France is Paris.'"
    )


def test_an_answer_that_lacks_the_word_is_wrong() -> None:
    assert "lacks 'Paris'" in (complaint("Lyon", INSIDE) or "")


def test_a_long_wrong_answer_is_clipped() -> None:
    assert len(complaint("x" * 10_000, INSIDE) or "") < 400


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "with nothing (0 characters)"),
        (" \n ", "with nothing (3 characters)"),
        ("!" * 64, "one token repeated (64 characters)"),
        ("the the the the the the", "one token repeated"),
        ("Paris is Paris is Paris is Paris is Paris", "one token repeated"),
    ],
)
def test_an_unknown_model_must_say_something_sane(answer: str, said: str) -> None:
    assert said in (complaint(answer, None) or "")


@pytest.mark.parametrize("answer", ["Paris.", "No.", "The capital of France is Paris, and Paris is on the Seine.", "4"])
def test_short_and_natural_answers_of_an_unknown_model_are_sane(answer: str) -> None:
    assert complaint(answer, None) is None


def test_the_question_is_asked_deterministically_and_briefly() -> None:
    body = Canary("demo", "dsk", EXACT).request(as_chat=True)
    assert body["temperature"] == 0
    assert body["max_tokens"] == 32
    assert body["model"] == "demo"
