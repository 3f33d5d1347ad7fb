"""Requests as an attacker would try them: each a good one with a few mutations, the same for the same seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.drafts import as_bytes, good
from tests.fuzz.mutations import MUTATIONS, OF_BODIES


@dataclass(frozen=True, slots=True)
class Case:
    """A request as it is sent."""

    method: str
    data: bytes
    is_plain: bool
    """Whether the server takes it for a request in any case, so that others may follow at once."""
    is_broken: bool
    """Whether nobody can say where it ends, so that nothing may follow."""
    mutations: tuple[str, ...]


def case(seed: int, index: int, tokens: Sequence[str | None]) -> Case:
    """Return request number `index`; it speaks for one of `tokens`."""
    random = Random(f"{seed}/{index}")  # noqa: S311  repeatable is what it must be
    draft = good(random, tokens)
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3))):
        mutate = random.choice(MUTATIONS)
        mutate(random, draft)
        draft.mutations.append(mutate.__name__.strip("_"))
    data = as_bytes(draft)
    data = data[: max(1, int(len(data) * draft.kept))]
    is_plain = OF_BODIES.issuperset(draft.mutations)
    return Case(draft.method, data, is_plain, draft.is_broken, tuple(draft.mutations) or ("none",))
