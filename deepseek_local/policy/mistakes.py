"""What cannot be meant by the lines of all files together, though each of them is fine by itself; such a policy is not loaded."""

from collections.abc import Collection, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from deepseek_local.access import PRINCIPAL
from deepseek_local.errors import Problem
from deepseek_local.policy.roles import above, links
from deepseek_local.policy.rules import ACTIONS, Bundle, Grant, Membership

MAXIMUM_DEPTH = 5
"""Roles, or groups, in a row; casbin itself stops, without a word, after ten."""
_WIDEST = ("*", "allow")
"""Resource and effect of a rule over everything."""
_EVERY_ACTION = frozenset(ACTIONS) - {"*"}


def find(
    grants: Sequence[Grant],
    memberships: Sequence[Membership],
    bundles: Sequence[Bundle],
    administrators: Collection[str],
    files: Sequence[str],
) -> Iterator[Problem]:
    """Yield every mistake that needs more than one line to be seen."""
    everywhere = ", ".join(files)
    if not grants:
        yield Problem("policy is empty: casbin would allow everything to an empty subject; add a `p` line", everywhere)
    elif all(grant.effect == "deny" for grant in grants):
        yield Problem("policy has only rules that deny, so it allows nothing; add a `p` line that allows", everywhere)
    for lines in (grants, memberships, bundles):
        yield from _duplicates(lines)
    yield from unknown_roles(grants, memberships, memberships)
    yield from _unknown_members(grants, memberships)
    yield from _unknown_groups(grants, bundles)
    yield from _chains("roles", [(line.member, line.role, line) for line in memberships])
    yield from _chains("groups", [(line.resource, line.group, line) for line in bundles])
    yield from _administrators(grants, memberships, administrators)


def unknown_roles(
    grants: Sequence[Grant], known: Sequence[Membership], lines: Sequence[Membership]
) -> Iterator[Problem]:
    """Yield the lines that give a role which has neither a rule nor a role."""
    roles = {grant.role for grant in grants} | {membership.member for membership in known}
    for line in lines:
        if line.role not in roles:
            message = f"role {line.role!r} has no rule; add a `p` line for it or mend its name"
            yield Problem(message, line.file, line.line)


def _duplicates(lines: Sequence[Grant] | Sequence[Membership] | Sequence[Bundle]) -> Iterator[Problem]:
    first: dict[str, Grant | Membership | Bundle] = {}
    for line in lines:
        earlier = first.setdefault(str(line), line)
        if earlier is not line:
            yield Problem(f"{line} is already said at {earlier.file}:{earlier.line}; remove one", line.file, line.line)


def _unknown_members(grants: Sequence[Grant], memberships: Sequence[Membership]) -> Iterator[Problem]:
    roles = {grant.role for grant in grants} | {membership.role for membership in memberships}
    for line in memberships:
        if line.member not in roles and not PRINCIPAL.fullmatch(line.member):
            message = f"user {line.member!r} has no namespace; write `u:{line.member}` for a person, `s:{line.member}` for a service"
            yield Problem(message, line.file, line.line)


def _unknown_groups(grants: Sequence[Grant], bundles: Sequence[Bundle]) -> Iterator[Problem]:
    named = {grant.resource for grant in grants} | {bundle.resource for bundle in bundles}
    for line in bundles:
        if line.group not in named:
            message = f"group {line.group!r} stands in no rule; add a `p` line for it or mend its name"
            yield Problem(message, line.file, line.line)


def _chains(called: str, lines: Sequence[tuple[str, str, Membership | Bundle]]) -> Iterator[Problem]:
    parents = links((member, group) for member, group, _ in lines)
    try:
        order = tuple(TopologicalSorter(parents).static_order())
    except CycleError as error:
        cycle = tuple(reversed(error.args[1]))
        line = next(line for member, group, line in lines if (member, group) == cycle[:2])
        message = f"{called} go in a circle: {' → '.join(cycle)}; remove one of these lines"
        yield Problem(message, line.file, line.line)
        return
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[parent] for parent in parents.get(name, ())), default=-1)
    for member, _, line in lines:
        if depth[member] == MAXIMUM_DEPTH + 1:
            message = f"{member!r} reaches a {called[:-1]} only through {depth[member]} lines, at most {MAXIMUM_DEPTH}; shorten the chain"
            yield Problem(message, line.file, line.line)


def _administrators(
    grants: Sequence[Grant], memberships: Sequence[Membership], administrators: Collection[str]
) -> Iterator[Problem]:
    """Yield the lines that complete rights over everything, whether one rule gives them or several together do."""
    over_everything = links((grant.role, grant.action) for grant in grants if (grant.resource, grant.effect) == _WIDEST)
    parents = links((line.member, line.role) for line in memberships)
    owned: dict[str, set[str]] = {}
    for line in memberships:
        if not PRINCIPAL.fullmatch(line.member) or line.member in administrators:
            continue
        roles = {line.role, *above(line.role, parents)}
        added = set[str]().union(*(over_everything.get(role, ()) for role in roles))
        actions = owned.setdefault(line.member, set())
        actions |= added
        if added and ("*" in actions or actions.issuperset(_EVERY_ACTION)):
            message = (
                f"{line.member} would have rights over everything by the role {line.role!r}; "
                "add it to gateway.administrators in the profile, or give it a smaller role"
            )
            yield Problem(message, line.file, line.line)
