"""
What a condition of the policy may look at: the attributes of a request, their types, and which of their values can be real.

An attribute that is absent, or whose value cannot be real (an hour 25, an address that is none), is unknown; `policy.conditions` says
what an unknown attribute does to a rule.
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from deepseek_local.access import TENANT, Attribute, Strength

Attributes = Mapping[str, Attribute]
"""The attributes of one request, by their names."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ATTRIBUTES: Mapping[str, type] = MappingProxyType(
    {
        "tenant": str,
        "model": str,
        "data_class": str,
        "purpose": str,
        "hour": int,
        "weekday": str,
        "ip": str,
        "auth_strength": int,
        "max_tokens": int,
        "stream": bool,
        "node": str,
    }
)
"""Every attribute with its type."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_RANGES = {"hour": range(24), "auth_strength": range(min(Strength), max(Strength) + 1)}


def remedy(name: str, value: Attribute) -> str | None:
    """Return which values the attribute has, when it can never have this one; None when it can."""
    if name in _RANGES and value not in _RANGES[name]:
        return f"it is {_RANGES[name][0]} to {_RANGES[name][-1]}"
    if name == "weekday" and value not in WEEKDAYS:
        return f"it is one of {', '.join(WEEKDAYS)}"
    if name == "tenant" and not TENANT.fullmatch(str(value)):
        return "it is a lower-case letter, then letters, digits, `_`, `-`"
    return None


def is_known(name: str, attributes: Attributes) -> bool:
    """Whether the request has the attribute, with a value that can be real."""
    value = attributes.get(name)
    # `type` and not `isinstance`: true is no number of tokens.
    if value is None or type(value) is not ATTRIBUTES[name]:
        return False
    if name == "ip":
        return address(str(value)) is not None
    return remedy(name, value) is None


@lru_cache(maxsize=4096)
def address(text: str) -> Address | None:
    """Read an IP address; an IPv4 one in the spelling of IPv6 (`::ffff:10.0.0.5`) is the IPv4 one. None when it is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
