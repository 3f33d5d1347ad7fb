"""
What another policy would change: who gains, loses or keeps under other conditions which access.

Both policies are asked for everybody whom one of them names, for every resource and action that there is. Conditions are compared as
texts: one that was only reworded is told as a change, and whoever reads it can see that it is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from deepseek_local.access import PRINCIPAL, Principal
from deepseek_local.policy import resources
from deepseek_local.policy.candidates import Candidates, decisive
from deepseek_local.policy.enforcer import Policy
from deepseek_local.policy.roles import Members

NEVER = "never"
ALWAYS = "always"

Kind = Literal["gains", "loses", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """Accesses that change alike for one principal or role."""

    who: str
    """A principal, or a role as `role operator`."""
    tenants: tuple[str, ...]
    """For which tenants it changes, `none` for requests that name none; empty when it is the same for all."""
    kind: Kind
    accesses: tuple[str, ...]
    """As `inference_chat:execute`; a resource without a route may be a pattern, `audit_*:read`."""
    before: str
    after: str
    """When it is allowed: `never`, `always`, or `if CONDITION`."""

    def __str__(self) -> str:
        """Render as `u:alice gains inference_chat:execute if hours(8, 20)`."""
        tenants = f" (tenant {' or '.join(self.tenants)})" if self.tenants else ""
        terms = {
            "gains": "" if self.after == ALWAYS else f" {self.after}",
            "loses": "" if self.before == ALWAYS else f" {self.before}",
            "changes": f" from {self.before} to {self.after}",
        }
        return f"{self.who}{tenants} {self.kind} {', '.join(self.accesses)}{terms[self.kind]}"


def between(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Return every change, for principals first; nothing when nobody can do more or less than before."""
    lines = (*old.memberships, *new.memberships)
    names = {line.member for line in lines} | {line.role for line in lines}
    names |= {grant.role for grant in (*old.grants, *new.grants)} - {"*"}
    tenants = (None, *sorted({line.tenant for line in lines if line.tenant is not None}))
    accesses = tuple(_accesses(old, new))
    views = (_View(old), _View(new))
    return tuple(
        change
        for name in sorted(names, key=lambda name: (not PRINCIPAL.fullmatch(name), name))
        for change in _changes(name, tenants, accesses, *views)
    )


class _View:
    """One policy, asked for the terms of an access instead of a decision."""

    def __init__(self, policy: Policy) -> None:
        self._candidates = Candidates(policy.grants, policy.bundles)
        self._members = Members(policy.memberships)

    def terms(self, name: str, tenant: str | None, resource: str, action: str) -> str:
        """Return when a principal, or somebody with a role, is allowed to do something; a tenant that is not named is found as usual."""
        asking = self._members.tenant(Principal(name, "asked", "none", tenant))
        roles = self._members.reached(name, asking) | {name}
        grants = decisive(self._candidates.matching(roles, resource, action), roles)
        allowing = sorted({grant.condition for grant in grants if grant.effect == "allow"})
        denying = sorted({grant.condition for grant in grants if grant.effect == "deny"})
        if not allowing or "" in denying:
            return NEVER
        terms = f"if {_either(allowing)}" if "" not in allowing else ALWAYS
        return f"{terms}, unless {_either(denying)}" if denying else terms


def _changes(
    name: str, tenants: Sequence[str | None], accesses: Sequence[tuple[str, str]], old: _View, new: _View
) -> Iterator[Change]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for tenant, (resource, action) in product(tenants, accesses):
        before, after = (view.terms(name, tenant, resource, action) for view in (old, new))
        if before != after:
            found.setdefault((f"{resource}:{action}", before, after), []).append(tenant or "none")
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (access, before, after), named in found.items():
        alike.setdefault((before, after, () if len(named) == len(tenants) else tuple(named)), []).append(access)
    who = name if PRINCIPAL.fullmatch(name) else f"role {name}"
    for (before, after, where), together in alike.items():
        yield Change(who, where, _kind(before, after), tuple(together), before, after)


def _kind(before: str, after: str) -> Kind:
    if before == NEVER:
        return "gains"
    return "loses" if after == NEVER else "changes"


def _either(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else " or ".join(f"({text})" for text in texts)


def _accesses(old: Policy, new: Policy) -> Iterator[tuple[str, str]]:
    """Yield what can be asked for: what routes open, and what belongs to no route, whole families and what rules name of them."""
    for resource, known in resources.OF_ROUTES.items():
        if resource not in resources.CLOSED:
            yield from ((resource, action) for action in known)
    bundles = (*old.bundles, *new.bundles)
    named = {grant.resource for grant in (*old.grants, *new.grants)} | {line.resource for line in bundles}
    for family, known in resources.FAMILIES.items():
        # A family as a whole is asked for like a resource that no rule names.
        own = sorted(name for name in named - set(resources.OF_ROUTES) if name.startswith(family))
        for resource in dict.fromkeys((f"{family}*", *own)):
            yield from ((resource, action) for action in known)
