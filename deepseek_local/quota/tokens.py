"""
Tokens of a request: an upper bound before it runs, and what it used once it has ended.

The bound of a prompt is the length of its body. Byte-level BPE, which the tokenizers of DeepSeek's models are, never makes more tokens
than the text has bytes, and what a chat template puts around a message is shorter than the JSON around it. No prompt and no answer is
longer than the model's context, so neither is its bound. Where each prompt is a pair with a text that the body has once, as in reranking,
every prompt may be as long as the body.
"""

import msgspec


class Demand(msgspec.Struct, frozen=True):
    """What a request asks for, as far as its cost goes."""

    body_bytes: int
    prompts: int = 1
    answers: int = 1
    """Answers that are computed for each prompt: the larger of `n` and `best_of`."""
    answer_tokens: int | None = None
    """Longest answer in tokens; None where the request leaves it to the model's context."""
    shares_text: bool = False
    """Whether all prompts contain a text that the body has once."""


class Reservation(msgspec.Struct, frozen=True):
    """Upper bounds of what a request will use, in tokens."""

    prompt: int
    answers: int

    @property
    def total(self) -> int:
        """Prompts and answers together."""
        return self.prompt + self.answers

    def used(self, tokens_in: int | None, tokens_out: int | None, chunks: int) -> int:
        """
        Return what the request used: what the engine counted, and where it did not, what can be known.

        An answer that broke off has no usage. Then its prompt counts as reserved, and every chunk that was delivered as one token.
        """
        if tokens_in is not None and tokens_out is not None:
            return tokens_in + tokens_out
        known_in = self.prompt if tokens_in is None else tokens_in
        known_out = chunks if tokens_out is None else tokens_out
        return min(known_in + known_out, self.total)


def reserve(demand: Demand, maximum_model_tokens: int) -> Reservation:
    """Return how many tokens a request may use at most."""
    longest = maximum_model_tokens
    each = longest if demand.answer_tokens is None else min(max(0, demand.answer_tokens), longest)
    prompts = max(1, demand.prompts)
    texts = demand.body_bytes * (prompts if demand.shares_text else 1)
    return Reservation(min(texts, longest * prompts), each * max(1, demand.answers) * prompts)
