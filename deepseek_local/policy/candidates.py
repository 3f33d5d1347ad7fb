"""
The few rules, out of thousands, that can matter for one question; the rest cannot change what casbin answers.

A rule can matter when it is for a role of the caller (or for everybody), for the resource and for the action: the matcher of `model.conf`
demands each of these. Of those, one that always denies decides alone; one that always allows makes all others that allow superfluous;
and without one that allows, the answer is no. What is left is at most a handful, found by a few look-ups whatever the number of rules.
"""

from collections.abc import Sequence

from deepseek_local.policy.roles import above, links
from deepseek_local.policy.rules import EVERYBODY, Bundle, Grant


class Candidates:
    """All rules, indexed by role, resource and action."""

    def __init__(self, grants: Sequence[Grant], bundles: Sequence[Bundle]) -> None:
        self._groups = links((line.resource, line.group) for line in bundles)
        self._resources = frozenset(grant.resource for grant in grants)
        self._rules: dict[tuple[str, str, str], list[tuple[int, Grant]]] = {}
        for order, grant in enumerate(grants):
            self._rules.setdefault((grant.role, grant.resource, grant.action), []).append((order, grant))

    def groups(self, resource: str) -> frozenset[str]:
        """Return the groups that the resource belongs to, directly or through others."""
        return above(resource, self._groups)

    def matching(self, roles: frozenset[str], resource: str, action: str) -> tuple[Grant, ...]:
        """Return the rules for these roles, the resource and the action, in the order of the policy."""
        patterns = self._patterns(resource)
        found = [
            rule
            for role in (*roles, EVERYBODY)
            for pattern in patterns
            for verb in {action, "*"}
            for rule in self._rules.get((role, pattern, verb), ())
        ]
        return tuple(grant for _, grant in sorted(found, key=lambda rule: rule[0]))

    def _patterns(self, resource: str) -> frozenset[str]:
        beginnings = (f"{resource[:length]}*" for length in range(len(resource) + 1))
        return self._resources & {resource, *self.groups(resource), *beginnings}


def decisive(grants: Sequence[Grant], carried: frozenset[str]) -> tuple[Grant, ...]:
    """
    Return the matching rules that can change the answer, so that casbin names the first of the policy that decides.

    Rules that deny come first: at one that counts, casbin stops. Of the others it goes through all and names the last.
    """
    denying = [grant for grant in grants if grant.effect == "deny"]
    allowing = [grant for grant in grants if grant.effect == "allow" and grant.role in carried]
    if always := _unconditional(denying):
        return always
    if not allowing:
        return ()
    return (*denying, *(_unconditional(allowing) or reversed(allowing)))


def _unconditional(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    return tuple(grant for grant in grants if not grant.condition)[:1]
