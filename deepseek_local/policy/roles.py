"""
The lines of all files as one policy: who reaches which role, and what cannot be meant.

A principal reaches the roles of its `g` lines and, through them, the roles that those roles have.
"""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from deepseek_local.access import PRINCIPAL
from deepseek_local.errors import Problem
from deepseek_local.policy.rules import Grant, Membership

MAXIMUM_DEPTH = 5
"""Roles in a row; casbin itself stops, without a word, after ten."""


def reach(memberships: Sequence[Membership]) -> dict[str, frozenset[str]]:
    """Return every principal with the roles it reaches. The memberships must be free of cycles."""
    parents = _parents(memberships)
    return {member: frozenset(_above(member, parents)) for member in parents if PRINCIPAL.fullmatch(member)}


def mistakes(grants: Sequence[Grant], memberships: Sequence[Membership], files: Sequence[str]) -> Iterator[Problem]:
    """Find what is wrong with the files together; each of their lines is fine by itself."""
    if not grants:
        yield Problem(
            "policy is empty: casbin would allow everything to an empty subject; add a `p` line", ", ".join(files)
        )
    yield from _duplicates(grants)
    yield from _duplicates(memberships)
    yield from _unknown_names(grants, memberships)
    yield from _chains(memberships)


def _parents(memberships: Sequence[Membership]) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {}
    for membership in memberships:
        parents.setdefault(membership.member, set()).add(membership.role)
    return parents


def _above(member: str, parents: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    open_roles = list(parents.get(member, ()))
    while open_roles:
        role = open_roles.pop()
        if role not in found:
            found.add(role)
            open_roles.extend(parents.get(role, ()))
    return found


def _duplicates(lines: Sequence[Grant] | Sequence[Membership]) -> Iterator[Problem]:
    first: dict[str, Grant | Membership] = {}
    for line in lines:
        earlier = first.setdefault(str(line), line)
        if earlier is not line:
            yield Problem(f"{line} is already said at {earlier.file}:{earlier.line}; remove one", line.file, line.line)


def _unknown_names(grants: Sequence[Grant], memberships: Sequence[Membership]) -> Iterator[Problem]:
    with_rules = {grant.role for grant in grants}
    with_roles = {membership.member for membership in memberships}
    roles = with_rules | {membership.role for membership in memberships}
    for line in memberships:
        if line.role not in with_rules | with_roles:
            yield Problem(
                f"role {line.role!r} has no rule; add a `p` line for it or mend its name", line.file, line.line
            )
        if line.member not in roles and not PRINCIPAL.fullmatch(line.member):
            message = f"user {line.member!r} has no namespace; write `u:{line.member}` for a person, `s:{line.member}` for a service"
            yield Problem(message, line.file, line.line)


def _chains(memberships: Sequence[Membership]) -> Iterator[Problem]:
    parents = _parents(memberships)
    try:
        order = tuple(TopologicalSorter(parents).static_order())
    except CycleError as error:
        cycle = tuple(reversed(error.args[1]))
        line = next(line for line in memberships if (line.member, line.role) == cycle[:2])
        yield Problem(f"roles go in a circle: {' → '.join(cycle)}; remove one of these lines", line.file, line.line)
        return
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[parent] for parent in parents.get(name, ())), default=-1)
    for line in memberships:
        if depth[line.member] == MAXIMUM_DEPTH + 1:
            message = f"{line.member!r} reaches a role only through {depth[line.member]} lines, at most {MAXIMUM_DEPTH}; shorten the chain"
            yield Problem(message, line.file, line.line)
