"""
Values worth trying for the attributes of a condition: those at which its answer can change.

A condition compares attributes with its own constants, so every request answers it as one of a few sample requests does: an attribute
is equal to a constant, on one side of it, in a network or out of it. Trying them all tells whether a condition can ever be true, and
which other value would have made it so.
"""

import ast
import ipaddress
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from math import prod

from deepseek_local.access import Attribute, Strength
from deepseek_local.policy.attributes import ATTRIBUTES, WEEKDAYS, is_known
from deepseek_local.policy.conditions import Condition

MAXIMUM_REQUESTS = 20_000
"""More sample requests are not tried: a question about a policy must be answered while somebody waits."""

_ALL: Mapping[str, tuple[Attribute, ...]] = {
    "hour": tuple(range(24)),
    "weekday": WEEKDAYS,
    "auth_strength": tuple(int(strength) for strength in Strength),
    "stream": (False, True),
}
"""Attributes so small that every value is tried."""

OTHERS = ("other", "another")
"""Texts that no condition names; two, so that two attributes can differ from each other as well."""
ENDING = "~"
"""Stands for the rest of a name of which a pattern gives the beginning."""


def values(condition: Condition) -> dict[str, tuple[Attribute, ...]]:
    """Return, for every attribute that the condition names, the values to try, in a fixed order."""
    constants = tuple(dict.fromkeys(_constants(condition.text)))
    return {
        name: tuple(value for value in dict.fromkeys(_values(name, constants)) if is_known(name, {name: value}))
        for name in sorted(condition.names)
    }


def requests(tried: Mapping[str, tuple[Attribute, ...]]) -> Iterator[dict[str, Attribute]]:
    """Yield every combination of values; none where there are more than anybody would wait for."""
    if prod(map(len, tried.values())) <= MAXIMUM_REQUESTS:
        yield from (dict(zip(tried, chosen, strict=True)) for chosen in product(*tried.values()))


@cache
def can_be_true(condition: Condition) -> bool:
    """Whether some request makes it true; also said of a condition with too many samples to try."""
    tried = values(condition)
    return any(map(condition.holds, requests(tried))) or prod(map(len, tried.values())) > MAXIMUM_REQUESTS


def _constants(text: str) -> Iterator[Attribute]:
    if text:
        for node in ast.walk(ast.parse(text, mode="eval")):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
                yield node.value


def _values(name: str, constants: tuple[Attribute, ...]) -> Iterator[Attribute]:
    if name in _ALL:
        yield from _ALL[name]
    elif name == "ip":
        for constant in constants:
            yield from _around(str(constant))
        yield "192.0.2.1"
    elif ATTRIBUTES[name] is int:
        yield from (0, 1_000_000_000)
        for constant in constants:
            if type(constant) is int:
                yield from (max(constant - 1, 0), constant, constant + 1)
    else:
        for constant in constants:
            if isinstance(constant, str):
                yield f"{constant[:-1]}{ENDING}" if constant.endswith("*") else constant
        yield from OTHERS


def _around(text: str) -> Iterator[str]:
    """Yield the first and last address of a network and their neighbours outside; nothing for another text."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return
    first, last = network.network_address, network.broadcast_address
    yield from (str(first), str(last))
    if int(first) > 0:
        yield str(first - 1)
    if int(last) < 2**network.max_prefixlen - 1:
        yield str(last + 1)
