"""
What a rule can be about: the resources of the routes with their actions, and those that belong to no route.

A policy is the one place where a site writes down who answers for what, so it may also name what no route opens: the audit log, the
policy itself, keys and tokens. No HTTP request reaches those today; the rules are for people, and for whatever opens them later.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from deepseek_local.access import Risk
from deepseek_local.policy.roles import above, links
from deepseek_local.policy.routes import CATALOGUE
from deepseek_local.policy.rules import Bundle

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "audit_": ("read", "write", "delete"),
        "policy_": ("read", "write", "delete"),
        "pki_": ("read", "execute", "write", "delete"),
        "key_": ("read", "execute", "write", "delete"),
        "token_": ("read", "write", "delete"),
        "quota_": ("read", "write", "delete"),
        "model_": ("read", "execute"),
    }
)
"""Beginnings of resources without a route, with the actions that make sense for them; `model_` is followed by a served name."""


def _of_routes() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for route in CATALOGUE:
        actions = found.setdefault(route.access.resource, [])
        if route.access.action not in actions:
            actions.append(route.access.action)
    return {resource: tuple(actions) for resource, actions in found.items()}


OF_ROUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(_of_routes())
"""Every resource of the catalogue with the actions of its routes, in the order of the catalogue."""

CLOSED = frozenset(OF_ROUTES) - {route.access.resource for route in CATALOGUE if route.access.risk is not Risk.NEVER}
"""Resources that no rule can open, because all of their routes are closed."""


def matches(pattern: str, resource: str) -> bool:
    """Whether a rule for `pattern` is about the resource, or about everything that the pattern `resource` stands for."""
    return resource.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == resource


def patterns(resource: str, groups: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Return every resource field of a rule that is about the resource, or about everything that a pattern stands for."""
    stem = resource.removesuffix("*")
    wider = (f"{stem[:length]}*" for length in range(len(stem) + 1))
    return tuple(dict.fromkeys((resource, *wider, *sorted(groups.get(resource, ())))))


def actions(pattern: str, groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the actions of everything that the pattern is about; none when it is about nothing that is known."""
    found = {action for resource, known in OF_ROUTES.items() if matches(pattern, resource) for action in known}
    for family, known in FAMILIES.items():
        if matches(pattern, family) or pattern.startswith(family):
            found |= set(known)
    for member, of in groups.items():
        if pattern in of:
            found |= actions(member, {})
    return frozenset(found)


def groups(bundles: Iterable[Bundle]) -> dict[str, frozenset[str]]:
    """Return every resource that belongs to groups with all of them, through other groups too."""
    direct = links((bundle.resource, bundle.group) for bundle in bundles)
    return {resource: above(resource, direct) for resource in direct}
