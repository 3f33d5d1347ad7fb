"""The caps that hold for one request: for everybody's and those of all roles of who asks, the strictest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from deepseek_local.profile.front_door import Caps


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The largest request for a set of roles; `Caps` tells what each bounds, None bounds nothing."""

    body_bytes: int | None = None
    messages: int | None = None
    prompts: int | None = None
    n: int | None = None
    best_of: int | None = None
    logprobs: int | None = None
    max_tokens: int | None = None
    tools: int | None = None
    schema_bytes: int | None = None
    schema_depth: int | None = None


NAMES = tuple(field.name for field in fields(Ceilings))


def strictest(caps: Iterable[Caps]) -> Ceilings:
    """Return the smallest value of each cap."""
    given = tuple(caps)
    return Ceilings(**{name: _smallest(getattr(each, name) for each in given) for name in NAMES})


def _smallest(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


class RoleCeilings:
    """Finds the ceilings for a set of roles, each of them worked out once."""

    def __init__(self, everybody: Caps, by_role: Mapping[str, Caps]) -> None:
        self._everybody = everybody
        self._by_role = by_role
        self._capped = frozenset(by_role)
        self._known: dict[frozenset[str], Ceilings] = {}

    def of(self, roles: frozenset[str]) -> Ceilings:
        """Return what holds for who has these roles."""
        # Only roles with caps are in the key, so their number bounds what is kept.
        key = roles & self._capped
        ceilings = self._known.get(key)
        if ceilings is None:
            ceilings = strictest((self._everybody, *(self._by_role[role] for role in sorted(key))))
            self._known[key] = ceilings
        return ceilings
