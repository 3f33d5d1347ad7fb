"""
Which counters a request must find room in, from the quotas of the profile.

A scope describes a set of requests, such as `principal=u:alice,role=operator`: all requests of u:alice under a quota for that role. A
quota with `*` makes one scope for every value that it meets. Two quotas that make the same scope count the same requests, so they share
one counter, and the lower limit holds.

Windows are those of the clock: a minute begins with second 0, a day at midnight UTC. `docs/decisions/0018` says why they do not slide.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

import msgspec

from deepseek_local.profile.front_door import Quota

Name = TypeVar("Name", bound=str)

EVERYTHING: Final = "everything"
"""The scope of a quota that names nothing: all requests."""
MAXIMUM_ASKERS: Final = 4_096
"""Askers whose counters are remembered; then all are forgotten, which costs microseconds each."""
_NAMES: Final = ("principal", "role", "tenant", "model")


class Kind(StrEnum):
    """What is counted; the words are those of the profile."""

    word: str
    """The word alone: an enumeration that is a text costs whoever asks whether it is one."""
    window_seconds: int | None
    """Length of the window; None where what counts is how many there are now."""
    counts_tokens: bool
    """Whether a request counts as its tokens, and not as one."""

    def __new__(cls, word: str, window_seconds: int | None = None, counts_tokens: bool = False) -> Self:  # noqa: FBT001, FBT002 -- a table, see below
        """Make a member of its line."""
        member = str.__new__(cls, word)
        member._value_ = member.word = word
        member.window_seconds = window_seconds
        member.counts_tokens = counts_tokens
        return member

    REQUESTS_PER_MINUTE = ("requests_per_minute", 60, False)
    TOKENS_PER_MINUTE = ("tokens_per_minute", 60, True)
    TOKENS_PER_DAY = ("tokens_per_day", 86_400, True)
    CONCURRENT_STREAMS = ("concurrent_streams", None, False)


class Counter(msgspec.Struct, frozen=True):
    """One number that must not pass its limit."""

    scope: str
    kind: Kind
    limit: int


class Asker(msgspec.Struct, frozen=True):
    """What quotas look at in a request."""

    principal: str
    roles: frozenset[str]
    tenant: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A quota, taken apart once, because it is asked for every request."""

    named: tuple[tuple[str, str], ...]
    """What it names, in the order of a scope."""
    limits: tuple[tuple[Kind, int], ...]


def rules(quotas: Iterable[Quota]) -> tuple[Rule, ...]:
    """Take quotas apart."""
    return tuple(Rule(_set(quota, _NAMES), _set(quota, Kind)) for quota in quotas)


class Counters:
    """Finds the counters of requests; those of one asker are worked out once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._known: dict[Asker, tuple[Counter, ...]] = {}

    def of(self, asker: Asker) -> tuple[Counter, ...]:
        """Return the counters that a request of `asker` must have room in, each once."""
        found = self._known.get(asker)
        if found is None:
            if len(self._known) >= MAXIMUM_ASKERS:
                self._known.clear()
            found = self._known[asker] = counters(self._rules, asker)
        return found


def counters(rules: Sequence[Rule], asker: Asker) -> tuple[Counter, ...]:
    """Return the counters that a request of `asker` must have room in, each once."""
    strictest: dict[tuple[str, Kind], int] = {}
    for rule in rules:
        scope = _scope(rule, asker)
        if scope is not None:
            for kind, limit in rule.limits:
                strictest[scope, kind] = min(limit, strictest.get((scope, kind), limit))
    return tuple([Counter(scope, kind, limit) for (scope, kind), limit in strictest.items()])


def limit_of(rules: Sequence[Rule], scope: str, kind: Kind) -> int | None:
    """Return the limit that the quotas set for a scope that was counted once; None where they set none any more."""
    named = parts(scope)
    limits = (dict(rule.limits).get(kind) for rule in rules if _makes(rule, named))
    return min((limit for limit in limits if limit is not None), default=None)


def parts(scope: str) -> Mapping[str, str]:
    """Take a scope apart: `principal=u:alice,role=operator` into its two names and values."""
    if scope == EVERYTHING:
        return {}
    pairs = (part.partition("=") for part in scope.split(","))
    return {name: value for name, _, value in pairs}


def _scope(rule: Rule, asker: Asker) -> str | None:
    """Return the scope in which a quota counts the request; None when it does not."""
    named = []
    for name, wanted in rule.named:
        value = _value(name, wanted, asker)
        if value is None:
            return None
        named.append(f"{name}={value}")
    return ",".join(named) or EVERYTHING


def _value(name: str, wanted: str, asker: Asker) -> str | None:
    if name == "role":
        return wanted if wanted in asker.roles else None
    value: str | None = getattr(asker, name)
    return value if wanted in ("*", value) else None


def _makes(rule: Rule, named: Mapping[str, str]) -> bool:
    """Whether a quota makes a scope of these names and values."""
    wanted = dict(rule.named)
    return wanted.keys() == named.keys() and all(value in ("*", named[name]) for name, value in wanted.items())


def _set(quota: Quota, names: Iterable[Name]) -> tuple[tuple[Name, Any], ...]:
    """Return the settings of these names that a quota sets."""
    return tuple((name, value) for name in names if (value := getattr(quota, name)) is not None)
