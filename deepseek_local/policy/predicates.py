"""The calls that a condition may make: `cidr`, `hours`, `weekdays` and `model`, each a question about one attribute."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from deepseek_local.access import Attribute
from deepseek_local.policy.attributes import WEEKDAYS, Attributes, address

Test = Callable[[Attributes], bool]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A call: the attribute that it asks about, and how its arguments become a test."""

    attribute: str
    example: str
    """How it is written."""
    argument: type
    """Type of every argument."""
    count: range
    """How many arguments it takes."""
    build: Callable[..., Test]
    """Takes the arguments. Raises `ValueError` for what they cannot be, as a sentence about them."""


def _cidr(*texts: str) -> Test:
    networks = tuple(ipaddress.ip_network(text) for text in texts)

    def test(attributes: Attributes) -> bool:
        found = address(str(attributes["ip"]))
        return found is not None and any(found in network for network in networks)

    return test


def _hours(first: int, end: int) -> Test:
    if first not in range(24) or end not in range(1, 25) or first == end:
        raise ValueError(f"{first}, {end} is no time of day: it begins at 0 to 23 and ends before 1 to 24")
    return _is_in("hour", _circle(range(24), first, end - 1))


def _weekdays(first: str, last: str) -> Test:
    for day in (first, last):
        if day not in WEEKDAYS:
            raise ValueError(f"{day!r} is no weekday: they are {', '.join(WEEKDAYS)}")
    return _is_in("weekday", _circle(WEEKDAYS, first, last))


def _model(*patterns: str) -> Test:
    for pattern in patterns:
        if not pattern or "*" in pattern[:-1]:
            raise ValueError(f"{pattern!r} is no name of a model: `*` stands only at its end")
    names = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
    prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))

    def test(attributes: Attributes) -> bool:
        name = str(attributes["model"])
        return name in names or name.startswith(prefixes)

    return test


def _circle(values: Sequence[Attribute], first: Attribute, last: Attribute) -> frozenset[Attribute]:
    """Return the values from `first` to `last`, both included, and around the end where `last` comes before `first`."""
    start, stop = values.index(first), values.index(last)
    return frozenset(values[start : stop + 1] if start <= stop else (*values[start:], *values[: stop + 1]))


def _is_in(attribute: str, values: frozenset[Attribute]) -> Test:
    return lambda attributes: attributes[attribute] in values


_ANY = range(1, 65)

PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        "cidr": Predicate("ip", 'cidr("10.0.0.0/8")', str, _ANY, _cidr),
        "hours": Predicate("hour", "hours(8, 20)", int, range(2, 3), _hours),
        "weekdays": Predicate("weekday", 'weekdays("mon", "fri")', str, range(2, 3), _weekdays),
        "model": Predicate("model", 'model("deepseek-*")', str, _ANY, _model),
    }
)
"""Every call with its meaning."""
