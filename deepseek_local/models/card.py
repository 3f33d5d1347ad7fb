"""
Model cards: what is known about a model by its name, before any file of it is seen.

The data lies in `cards.json` beside this module, every card with the source of its numbers. Parser and template names are
those of vLLM (`vllm/reasoning/__init__.py`, `vllm/tool_parsers/__init__.py`).
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import ConfigDict, TypeAdapter

from deepseek_local.models.facts import ModelFacts


@dataclass(frozen=True, slots=True)
class Golden:
    """A question whose answer is known; a healthy engine gives it with temperature 0."""

    question: str
    answer: str
    exact: bool
    """Whether the whole answer must equal `answer`; otherwise `answer` must occur in it."""
    max_tokens: int
    """Enough for the answer, and for the thinking before it where the model thinks."""

    def is_answered_by(self, text: str) -> bool:
        """Whether `text` is the golden answer, or holds it."""
        return text.strip() == self.answer if self.exact else self.answer in text


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalogue."""

    name: str
    source: str
    """Where the numbers come from."""
    facts: ModelFacts
    reasoning_parser: str | None = None
    """vLLM parser that takes the thinking apart from the answer."""
    tool_parser: str | None = None
    """vLLM parser that finds tool calls in the answer."""
    tool_template: str | None = None
    """Chat template, in vLLM's examples, that shows tools to the model; None when the tokenizer's own does."""
    golden: Golden | None = None


def find(name: str) -> ModelCard | None:
    """Return the card with this name, or None when the catalogue has none."""
    return _catalogue().get(name)


def names() -> tuple[str, ...]:
    """Return the names of all cards, in the order of the catalogue."""
    return tuple(_catalogue())


@cache
def _catalogue() -> dict[str, ModelCard]:
    text = files("deepseek_local.models").joinpath("cards.json").read_text("utf-8")
    adapter = TypeAdapter(tuple[ModelCard, ...], config=ConfigDict(strict=True, extra="forbid"))
    return {card.name: card for card in adapter.validate_json(text)}
