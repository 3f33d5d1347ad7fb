"""
The golden question: a healthy engine answers it the same way every time, a broken one answers with 200 and garbage.

`complaint` decides; it knows the model's golden answer or, for a model without one, what no sane answer looks like: nothing at all, or
one token over and over (what NaN logits look like). The question and its answer are ours, so both may be shown.
"""

import re
from dataclasses import dataclass

from deepseek_local.models.card import Golden

_SHOWN = 120
_REPEATED = re.compile(r"(.{1,24}?)\1{3,}.{0,24}", re.DOTALL)

ANY_QUESTION = "What is the capital of France?"
ANY_MAX_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Canary:
    """What is asked, of which model, as whom."""

    model: str
    """Served name."""
    token: str
    """Token of the principal `s:canary`."""
    golden: Golden | None
    """None for a model without a card."""

    def request(self, *, as_chat: bool) -> dict[str, object]:
        """Return the body of the request, for a chat or for a bare completion; temperature 0 makes the answer repeatable."""
        question = self.golden.question if self.golden else ANY_QUESTION
        return {
            "model": self.model,
            **({"messages": [{"role": "user", "content": question}]} if as_chat else {"prompt": question}),
            "temperature": 0,
            "max_tokens": self.golden.max_tokens if self.golden else ANY_MAX_TOKENS,
        }


def complaint(answer: str, golden: Golden | None) -> str | None:
    """Say in one sentence what is wrong with the answer; None when nothing is."""
    if golden is not None:
        return None if golden.is_answered_by(answer) else _not_golden(answer, golden)
    if not answer.strip():
        return f"the question {ANY_QUESTION!r} was answered with nothing ({len(answer)} characters)"
    if _REPEATED.fullmatch(answer.strip()):
        return f"the question {ANY_QUESTION!r} was answered with one token repeated ({len(answer)} characters): {_shown(answer)}"
    return None


def _not_golden(answer: str, golden: Golden) -> str:
    relation = "is not" if golden.exact else "lacks"
    return (
        f"the golden question {golden.question!r} was answered wrongly: {_shown(answer)} ({len(answer)} characters) "
        f"{relation} {golden.answer!r}"
    )


def _shown(answer: str) -> str:
    return repr(answer if len(answer) <= _SHOWN else f"{answer[:_SHOWN]}…")
