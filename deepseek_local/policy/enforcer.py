"""
The policy: default deny, decided by casbin among the rules that can matter for the question.

What does not depend on the request is worked out once per question (who, what, how) and remembered: who reaches which role, which rules
can matter and, where none of them has a condition, the answer. Conditions are put to casbin for every request. A property test compares
every answer with that of a stock casbin that knows all rules.
"""

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deepseek_local.access import PRINCIPAL, Access, Principal, Verdict
from deepseek_local.errors import PolicyError, Problem
from deepseek_local.files import is_writable_by_all, read_regular
from deepseek_local.policy import mistakes
from deepseek_local.policy.attributes import Attributes
from deepseek_local.policy.candidates import Candidates, decisive
from deepseek_local.policy.casbin_engine import Case, Engine, Rule
from deepseek_local.policy.roles import Members
from deepseek_local.policy.rules import MAXIMUM_BYTES, Bundle, Grant, Lines, Membership, parse

_log = logging.getLogger(__name__)

DEFAULT = "default"
"""What a verdict names when no rule matched."""
ERROR = "error"
"""What a verdict names when the engine failed."""
MAXIMUM_QUESTIONS = 16_384
"""Questions that are remembered, about 2 KB each; then all are forgotten, which costs each of them 50 µs once."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is known about who, what and how before the attributes of a request are."""

    case: Case
    tenant: str | None
    verdicts: dict[Rule | None, Verdict]
    """What is answered when a rule decides; None stands for no rule."""
    can_be_allowed: bool
    settled: Verdict | None = None
    """The answer, where no attribute can change it."""


class Policy:
    """Rules and members of all files, immutable after loading; not for use from several threads."""

    def __init__(
        self,
        grants: Sequence[Grant],
        memberships: Sequence[Membership],
        bundles: Sequence[Bundle] = (),
        digest: str = "",
        *,
        extra: Sequence[Membership] = (),
    ) -> None:
        self.grants, self.memberships, self.bundles = tuple(grants), tuple(memberships), tuple(bundles)
        self.digest = digest
        """`sha256:` and 64 hex digits over the files in their order, as `cat FILES | sha256sum` prints."""
        self._names = {line.member for line in (*memberships, *extra)}
        self._members = Members(memberships, extra)
        self._candidates = Candidates(grants, bundles)
        self._engine = Engine()
        self._questions: dict[tuple[object, ...], _Question] = {}
        self._reached: dict[tuple[str, str], frozenset[str]] = {}

    def with_more(self, extra: Sequence[Membership]) -> "Policy":
        """Return this policy with some more members."""
        return Policy(self.grants, self.memberships, self.bundles, self.digest, extra=extra)

    def decide(self, principal: Principal, access: Access, attributes: Attributes) -> Verdict:
        """
        Say whether the principal may, and by which rule. Never raises: a failure inside casbin is a refusal.

        The tenant and `auth_strength` come from the principal and the policy, whatever the attributes say.
        """
        try:
            question = self._question(principal, access)
            if question.settled is not None:
                return question.settled
            known = {**attributes, "tenant": question.tenant or "", "auth_strength": int(principal.strength)}
            return self._ask(question, known)
        except Exception:  # noqa: BLE001  casbin evaluates expressions: whatever it raises must end as a refusal
            _tell_failure(access)
            return Verdict(allowed=False, rule=ERROR, policy=self.digest)

    def may(self, principal: Principal, access: Access) -> bool:
        """Whether there are attributes with which the principal would be allowed; asked before a body is read."""
        try:
            return self._question(principal, access).can_be_allowed
        except Exception:  # noqa: BLE001  as in `decide`
            _tell_failure(access)
            return False

    def roles_of(self, principal: Principal) -> frozenset[str]:
        """Return the roles that the principal has here, whichever of them its credential carries."""
        return self._roles(principal, self._members.tenant(principal))

    def has_role(self, principal_name: str) -> bool:
        """Whether the policy gives the principal any role, for any tenant."""
        return principal_name in self._names

    def _question(self, principal: Principal, access: Access) -> _Question:
        key = (principal.name, principal.tenant, principal.roles, access.resource, access.action)
        question = self._questions.get(key)
        if question is None:
            question = self._prepare(principal, access)
            # Only for principals of the policy, so that strangers cannot push them out.
            if self.has_role(principal.name):
                if len(self._questions) >= MAXIMUM_QUESTIONS:
                    self._questions.clear()
                self._questions[key] = question
        return question

    def _prepare(self, principal: Principal, access: Access) -> _Question:
        tenant = self._members.tenant(principal)
        roles = self._roles(principal, tenant)
        carried = self._members.carried(principal, tenant, roles)
        grants = decisive(self._candidates.matching(roles, access.resource, access.action), carried)
        case = Case(
            subject=principal.name,
            domain=self._members.domain(tenant),
            roles=roles,
            carried=carried,
            resource=access.resource,
            groups=self._candidates.groups(access.resource),
            action=access.action,
            rules=tuple(_rule(grant) for grant in grants),
        )
        refused = Verdict(allowed=False, rule=DEFAULT, policy=self.digest, roles=roles, tenant=tenant)
        verdicts: dict[Rule | None, Verdict] = {
            _rule(grant): replace(refused, allowed=grant.effect == "allow", rule=str(grant)) for grant in grants
        }
        verdicts[None] = refused
        can_be_allowed = any(grant.effect == "allow" for grant in grants)
        question = _Question(case, tenant, verdicts, can_be_allowed)
        if any(grant.condition for grant in grants):
            return question
        return replace(question, settled=self._ask(question, {}))

    def _roles(self, principal: Principal, tenant: str | None) -> frozenset[str]:
        # Whoever is called like a role has no role by that.
        if not self.has_role(principal.name) or not PRINCIPAL.fullmatch(principal.name):
            return frozenset()
        key = (principal.name, self._members.domain(tenant))
        roles = self._reached.get(key)
        if roles is None:
            roles = self._reached[key] = self._members.reached(*key)
        return roles

    def _ask(self, question: _Question, attributes: Attributes) -> Verdict:
        allowed, rule = self._engine.decide(question.case, attributes)
        verdict = question.verdicts[rule]
        if verdict.allowed is not allowed:
            raise RuntimeError(f"casbin answers {allowed} by the rule {rule}")
        return verdict


def load(files: Sequence[Path], administrators: Collection[str] = (), extra: Sequence[Membership] = ()) -> Policy:
    """
    Read the files as one policy. Raises `PolicyError` with every problem of every file.

    Only `administrators` may have rights over everything; `extra` members, who stand in no file of the policy, are held to nothing but
    that their roles exist.
    """
    contents: list[bytes] = []
    parts: list[Lines] = []
    problems: list[Problem] = []
    for file in files:
        try:
            content = read_regular(file, MAXIMUM_BYTES + 1)
            open_to_all = is_writable_by_all(file)
        except OSError as error:
            problems.append(
                Problem(f"cannot be read ({error.strerror}); check gateway.policy in the profile", str(file))
            )
            continue
        if open_to_all:
            problems.append(Problem(f"can be changed by every user of this host; run: chmod o-w {file}", str(file)))
        problems += _cut_off(str(file), content)
        contents.append(content)
        parts.append(parse(str(file), content))
    problems += [problem for part in parts for problem in part.problems]
    grants = tuple(grant for part in parts for grant in part.grants)
    memberships = tuple(membership for part in parts for membership in part.memberships)
    bundles = tuple(bundle for part in parts for bundle in part.bundles)
    # Half-read files would make sound lines look wrong: their names are missing.
    if not problems:
        problems += mistakes.find(grants, memberships, bundles, administrators, [str(file) for file in files])
        problems += mistakes.unknown_roles(grants, memberships, extra)
    if problems:
        raise PolicyError(problems)
    digest = f"sha256:{hashlib.sha256(b''.join(contents)).hexdigest()}"
    return Policy(grants, memberships, bundles, digest, extra=extra)


def _cut_off(file: str, content: bytes) -> Iterator[Problem]:
    """Find a last line without end: of `p, admin, audit_*, *, , deny`, what a copy under way has written so far can be a rule that allows."""
    if content and not content.endswith(b"\n"):
        message = "the last line does not end, as in a file that is still being written; end it with a line break"
        yield Problem(message, file, content.count(b"\n") + 1)


def _tell_failure(access: Access) -> None:
    _log.exception("the policy engine failed, so the request is refused (%s %s)", access.action, access.resource)


def _rule(grant: Grant) -> Rule:
    return (grant.role, grant.resource, grant.action, grant.condition, grant.effect)
