"""
What a policy that loads probably does not mean: rules about nothing, rules for nobody, rules that other rules make useless.

An error is a line that forbids less than it says, so that somebody relies on it for nothing; a warning is a line without effect.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Literal

from deepseek_local.access import PRINCIPAL
from deepseek_local.policy import conditions, resources, samples
from deepseek_local.policy.rules import EVERYBODY, Bundle, Grant, Membership

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line that probably says something else than was meant."""

    id: str
    """Stable name, as `policy.shadowed`; documents and scripts refer to it."""
    severity: Severity
    message: str
    """What is wrong, the value seen, and the remedy."""
    file: str
    line: int

    def __str__(self) -> str:
        """Render as `file:line: warning [policy.shadowed]: message`."""
        return f"{self.file}:{self.line}: {self.severity} [{self.id}]: {self.message}"


Groups = dict[str, frozenset[str]]


def findings(
    grants: Sequence[Grant], memberships: Sequence[Membership], bundles: Sequence[Bundle]
) -> tuple[Finding, ...]:
    """Look at all lines of a policy together; its parts must have been loaded without a problem."""
    groups = resources.groups(bundles)
    found = [
        *_about_nothing(grants, groups),
        *_for_nobody(grants, memberships),
        *_without_effect(grants, groups),
        *_never_true(grants),
        *_confusing(grants, memberships),
        *_groups_of_nothing(bundles),
    ]
    lines: list[Grant | Membership | Bundle] = [*grants, *memberships, *bundles]
    files = list(dict.fromkeys(line.file for line in lines))
    return tuple(sorted(found, key=lambda finding: (files.index(finding.file), finding.line, finding.id)))


def _about_nothing(grants: Sequence[Grant], groups: Groups) -> Iterator[Finding]:
    for grant in grants:
        known = resources.actions(grant.resource, groups)
        if not known:
            message = f"resource {grant.resource!r} is none of the catalogue; mend its name, or remove the rule"
            yield _finding(grant, "policy.unknown-resource", message)
        elif grant.action not in {"*", *known}:
            message = f"nothing that {grant.resource!r} stands for has the action {grant.action!r}; write one of {', '.join(sorted(known))}"
            yield _finding(grant, "policy.unknown-action", message)
        elif grant.effect == "allow" and grant.resource in resources.CLOSED:
            message = f"no rule can open {grant.resource!r}, all of its routes are closed; remove the rule"
            yield _finding(grant, "policy.closed", message)


def _for_nobody(grants: Sequence[Grant], memberships: Sequence[Membership]) -> Iterator[Finding]:
    owned: set[str] = {EVERYBODY}
    waiting = [line.role for line in memberships if PRINCIPAL.fullmatch(line.member)]
    while waiting:
        role = waiting.pop()
        if role not in owned:
            owned.add(role)
            waiting += [line.role for line in memberships if line.member == role]
    first = {grant.role: grant for grant in reversed(grants) if grant.role not in owned}
    for role, grant in first.items():
        message = f"nobody has the role {role!r}; add a line such as `g, u:NAME, {role}`, or remove its rules"
        yield _finding(grant, "policy.unreachable", message, "warning")


def _without_effect(grants: Sequence[Grant], groups: Groups) -> Iterator[Finding]:
    at: dict[tuple[str, str], list[Grant]] = {}
    for grant in grants:
        at.setdefault((grant.role, grant.resource), []).append(grant)
    for grant in grants:
        places = product((grant.role, EVERYBODY), resources.patterns(grant.resource, groups))
        near = (other for place in dict.fromkeys(places) for other in at.get(place, ()))
        wider = (other for other in near if other is not grant and _covers(other, grant))
        yield from islice(_useless(grant, wider), 1)


def _useless(grant: Grant, wider: Iterable[Grant]) -> Iterator[Finding]:
    """Tell why a rule has no effect, given the rules that match whenever it does."""
    for other in wider:
        place = f"{other} at {other.file}:{other.line}"
        if other.effect == "deny" and grant.effect == "allow":
            message = f"{grant} can never allow anything: {place} overrides it; remove one"
            yield _finding(grant, "policy.overridden", message, "warning")
        elif other.effect == grant.effect:
            yield _finding(grant, "policy.shadowed", f"{grant} adds nothing to {place}; remove it", "warning")


def _covers(wide: Grant, narrow: Grant) -> bool:
    """Whether a rule about the resource of another one matches whenever that one does."""
    return wide.action in {narrow.action, "*"} and wide.condition in {narrow.condition, ""}


def _never_true(grants: Sequence[Grant]) -> Iterator[Finding]:
    for grant in grants:
        if not samples.can_be_true(conditions.compile(grant.condition)):
            message = f"condition {grant.condition!r} is true of no request; mend it, or remove the rule"
            yield _finding(grant, "policy.never-true", message)


def _confusing(grants: Sequence[Grant], memberships: Sequence[Membership]) -> Iterator[Finding]:
    roles = {grant.role for grant in grants} | {line.role for line in memberships}
    held = {(line.member, line.role) for line in memberships}
    for line in memberships:
        name = line.member.partition(":")[2]
        if name in roles and (line.member, name) not in held:
            message = (
                f"{line.member!r} is called like the role {name!r} and does not have it; give one of them another name"
            )
            yield _finding(line, "policy.called-like-a-role", message, "warning")


def _groups_of_nothing(bundles: Sequence[Bundle]) -> Iterator[Finding]:
    nested = {line.group for line in bundles}
    for line in bundles:
        if line.resource not in nested and not resources.actions(line.resource, {}):
            message = f"resource {line.resource!r} is none of the catalogue; mend its name, or remove the line"
            yield _finding(line, "policy.unknown-resource", message, "warning")


def _finding(
    line: Grant | Membership | Bundle, identifier: str, message: str, severity: Severity | None = None
) -> Finding:
    """Make a finding; without a severity, it is as bad as the effect of the rule makes it."""
    forbids = isinstance(line, Grant) and line.effect == "deny"
    return Finding(identifier, severity or ("error" if forbids else "warning"), message, line.file, line.line)
