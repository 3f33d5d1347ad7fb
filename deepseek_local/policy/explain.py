"""
Why the policy answers a question as it does: the rule that decided, every rule that could have, and what would change the answer.

What would change it is not derived from the rules but tried: each change is put to the policy, and told only if the answer is another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from deepseek_local.access import CANARY, Attribute, Principal, Risk, Strength, Verdict
from deepseek_local.policy import conditions, samples
from deepseek_local.policy.candidates import Candidates
from deepseek_local.policy.conditions import Condition
from deepseek_local.policy.enforcer import DEFAULT, ERROR, Policy
from deepseek_local.policy.questions import Question
from deepseek_local.policy.rules import Grant, Membership
from deepseek_local.policy.wording import told, word


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule for the caller's roles, the resource and the action, and whether it counts for this request."""

    rule: str
    effect: str
    counts: bool
    values: dict[str, Attribute | None]
    """What its condition looked at; None for what the request lacks, which makes it deny and never allow."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer with its reasons."""

    question: str
    allowed: bool
    rule: str
    """The rule that decided; `default` where none counts, `route` where no policy is asked."""
    roles: tuple[str, ...]
    tenant: str | None
    considered: tuple[Considered, ...]
    changes: tuple[str, ...]
    """What would give the opposite answer, one sentence each."""


def explain(policy: Policy, question: Question) -> Explanation:
    """Ask the policy and tell how it comes to its answer; the same policy and question always give the same explanation."""
    risk = question.access.risk
    if risk is not Risk.GUARDED:
        allowed = risk is Risk.PUBLIC
        reason = "this route is open to everybody" if allowed else "no rule can open this route"
        return Explanation(str(question), allowed, "route", (), None, (), (reason,))
    verdict = policy.decide(question.principal, question.access, question.attributes)
    access = question.access
    matching = Candidates(policy.grants, policy.bundles).matching(verdict.roles, access.resource, access.action)
    known = {**question.attributes, "auth_strength": int(question.principal.strength)}
    known |= {"tenant": verdict.tenant} if verdict.tenant else {}
    changes = [*_attributes(policy, question, matching, known), *([] if verdict.allowed else _roles(policy, question))]
    if not changes:
        changes.append(_last_resort(policy, question, verdict))
    return Explanation(
        str(question),
        verdict.allowed,
        verdict.rule,
        tuple(sorted(verdict.roles)),
        verdict.tenant,
        tuple(_considered(grant, known) for grant in matching),
        tuple(changes),
    )


def _considered(grant: Grant, known: dict[str, Attribute]) -> Considered:
    condition = conditions.compile(grant.condition)
    lacking = condition.lacking(known)
    counts = grant.effect == "deny" if lacking else condition.holds(known)
    values = {name: None if name in lacking else known[name] for name in sorted(condition.names)}
    return Considered(str(grant), grant.effect, counts, values, grant.file, grant.line)


def _attributes(
    policy: Policy, question: Question, matching: tuple[Grant, ...], known: dict[str, Attribute]
) -> Iterator[str]:
    """Try other values of one attribute after the other; where none alone is enough, several together."""
    compiled = [conditions.compile(grant.condition) for grant in matching]
    tried = _worth_trying(policy, compiled)
    before = _is_allowed(policy, question, {})
    found = False
    for name, values in sorted(tried.items()):
        flips = [value for value in values if _is_allowed(policy, question, {name: value}) is not before]
        if flips:
            found = True
            every = dict.fromkeys((*values, known[name]) if name in known else values)
            yield f"with {told(name, flips, tuple(every))} the answer would be {_word(not before)}"
    if not found:
        together = (
            chosen for names in _sets(compiled, known) for chosen in samples.requests({n: tried[n] for n in names})
        )
        enough = (chosen for chosen in together if _is_allowed(policy, question, chosen) is not before)
        for chosen in islice(enough, 1):
            words = " and ".join(f"{name} {word(value)}" for name, value in chosen.items() if known.get(name) != value)
            yield f"with {words} the answer would be {_word(not before)}"


def _sets(compiled: Sequence[Condition], known: dict[str, Attribute]) -> Iterator[list[str]]:
    """Yield attributes worth changing together: those of one condition, then all that the request lacks."""
    lacking = frozenset(name for condition in compiled for name in condition.lacking(known))
    yield from (sorted(names) for names in (*(condition.names for condition in compiled), lacking) if len(names) > 1)


def _worth_trying(policy: Policy, compiled: Sequence[Condition]) -> dict[str, tuple[Attribute, ...]]:
    """Return the values to try: those of the conditions, and the tenants for which somebody has a role."""
    tenants = sorted({line.tenant for line in policy.memberships if line.tenant is not None})
    tried: dict[str, tuple[Attribute, ...]] = {"tenant": tuple(tenants)}
    for condition in compiled:
        for name, values in samples.values(condition).items():
            tried[name] = tuple(dict.fromkeys((*tried.get(name, ()), *values)))
    return tried


def _roles(policy: Policy, question: Question) -> Iterator[str]:
    """Try every role that the principal lacks, those with the fewest rights first; the canary's are lent to nobody."""
    name = question.principal.name
    has = policy.roles_of(question.principal) | policy.roles_of(Principal(CANARY, "canary", "none"))
    rights: dict[str, int] = {}
    for grant in policy.grants:
        rights[grant.role] = rights.get(grant.role, 0) + (1_000 if grant.resource == "*" else 1)
    for role in sorted(set(rights) - has - {"*"}, key=lambda role: (rights[role], role)):
        more = policy.with_more([Membership(name, role, None, "", 0)])
        verdict = more.decide(question.principal, question.access, question.attributes)
        if verdict.allowed:
            yield f"with the role {role} the answer would be allow, by {verdict.rule}: add `g, {name}, {role}`"


def _last_resort(policy: Policy, question: Question, verdict: Verdict) -> str:
    access = question.access
    if verdict.rule == DEFAULT:
        return f"no role of this policy may do this: add a rule such as `p, ROLE, {access.resource}, {access.action}`"
    if verdict.rule == ERROR:
        return "the policy engine failed, and a failure is a refusal: the log above says why"
    grant = next(grant for grant in policy.grants if str(grant) == verdict.rule)
    if verdict.allowed:
        return f"no attribute changes it: take the role {grant.role} away, or change {grant.file}:{grant.line}"
    return f"no attribute and no further role changes it: change {grant.file}:{grant.line}"


def _is_allowed(policy: Policy, question: Question, changed: dict[str, Attribute]) -> bool:
    principal = question.principal
    if "tenant" in changed:
        principal = replace(principal, tenant=str(changed["tenant"]))
    if "auth_strength" in changed:
        principal = replace(principal, strength=Strength(int(changed["auth_strength"])))
    return policy.decide(principal, question.access, {**question.attributes, **changed}).allowed


def _word(allowed: bool) -> str:  # noqa: FBT001 -- an answer, not a switch
    return "allow" if allowed else "deny"
