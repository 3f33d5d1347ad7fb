"""
What another policy would change: who gains, loses or keeps under other conditions which access.

Both policies are asked for everybody whom one of them names, for every resource and action that there is. Conditions are compared as
texts: one that was only reworded is told as a change, and whoever reads it can see that it is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from deepseek_local.access import PRINCIPAL, Principal
from deepseek_local.policy import resources
from deepseek_local.policy.candidates import Candidates, decisive
from deepseek_local.policy.enforcer import Policy
from deepseek_local.policy.roles import Members
from deepseek_local.policy.rules import EVERYBODY

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
    names |= {grant.role for grant in (*old.grants, *new.grants)} - {EVERYBODY}
    tenants = (None, *sorted({line.tenant for line in lines if line.tenant is not None}))
    comparison = _Comparison(old, new)
    return tuple(
        change
        for name in sorted(names, key=lambda name: (not PRINCIPAL.fullmatch(name), name))
        for change in _changes(name, tenants, comparison)
    )


Difference = tuple[str, str, str]
"""An access, when it is allowed before, and when after."""


class _Comparison:
    """Both policies, asked for the terms of accesses instead of decisions."""

    def __init__(self, old: Policy, new: Policy) -> None:
        self._members = Members(old.memberships), Members(new.memberships)
        self._candidates = Candidates(old.grants, old.bundles), Candidates(new.grants, new.bundles)
        self._accesses = tuple(_accesses(old, new))
        self._is_regrouped = set(map(str, old.bundles)) != set(map(str, new.bundles))
        before, after = ({str(grant): grant.role for grant in policy.grants} for policy in (old, new))
        self._changed_roles = {(before | after)[text] for text in before.keys() ^ after.keys()}
        self._found: dict[tuple[frozenset[str], frozenset[str]], tuple[Difference, ...]] = {}

    def of(self, name: str, tenant: str | None) -> tuple[Difference, ...]:
        """Return what differs for a principal or role; whoever has the same roles before and after shares the work."""
        roles = self._roles(name, tenant, self._members[0]), self._roles(name, tenant, self._members[1])
        if roles not in self._found:
            self._found[roles] = tuple(self._differences(*roles))
        return self._found[roles]

    def _roles(self, name: str, tenant: str | None, members: Members) -> frozenset[str]:
        asking = members.tenant(Principal(name, "asked", "none", tenant))
        return members.reached(name, asking) | {EVERYBODY} | (set() if PRINCIPAL.fullmatch(name) else {name})

    def _differences(self, before: frozenset[str], after: frozenset[str]) -> Iterator[Difference]:
        if before == after and not self._is_regrouped and not before & self._changed_roles:
            return
        for resource, action in self._accesses:
            old = _terms(self._candidates[0], before, resource, action)
            new = _terms(self._candidates[1], after, resource, action)
            if old != new:
                yield f"{resource}:{action}", old, new


def _terms(candidates: Candidates, roles: frozenset[str], resource: str, action: str) -> str:
    """Return when somebody with these roles is allowed to do something."""
    grants = decisive(candidates.matching(roles - {EVERYBODY}, resource, action), roles)
    allowing = sorted({grant.condition for grant in grants if grant.effect == "allow"})
    denying = sorted({grant.condition for grant in grants if grant.effect == "deny"})
    if not allowing or "" in denying:
        return NEVER
    terms = f"if {_either(allowing)}" if "" not in allowing else ALWAYS
    return f"{terms}, unless {_either(denying)}" if denying else terms


def _changes(name: str, tenants: Sequence[str | None], comparison: _Comparison) -> Iterator[Change]:
    found: dict[Difference, list[str]] = {}
    for tenant in tenants:
        for difference in comparison.of(name, tenant):
            found.setdefault(difference, []).append(tenant or "none")
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
