"""
The policy: default deny, decided by casbin among the rules of the caller's roles.

Giving casbin only those rules changes no answer, because the matcher demands that the subject reaches the rule's role; it changes the
cost from linear in all rules to linear in a handful. A property test compares both.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from deepseek_local.access import Access, Verdict
from deepseek_local.errors import PolicyError, Problem
from deepseek_local.files import is_writable_by_all, read_regular
from deepseek_local.policy import roles
from deepseek_local.policy.casbin_engine import Engine, Rule
from deepseek_local.policy.rules import MAXIMUM_BYTES, Grant, Lines, Membership, parse

_log = logging.getLogger(__name__)

DEFAULT = "default"
"""What a verdict names when no rule matched."""


class Policy:
    """Rules and members of all files, immutable after loading."""

    def __init__(self, grants: Sequence[Grant], memberships: Sequence[Membership], digest: str) -> None:
        self.digest = digest
        """`sha256:` and 64 hex digits over the files in their order, as `cat FILES | sha256sum` prints."""
        self._engine = Engine((line.member, line.role) for line in memberships)
        self._rules = {
            principal: tuple(_rule(grant) for grant in grants if grant.role in reached)
            for principal, reached in roles.reach(memberships).items()
        }
        self._answered: dict[tuple[str, str, str], Verdict] = {}

    def decide(self, principal_name: str, access: Access) -> Verdict:
        """
        Say whether the principal may, and by which rule. Never raises: a failure inside casbin is a refusal.

        Each question is put to casbin once: a policy never changes, and its answer depends on nothing but the question.
        """
        question = (principal_name, access.resource, access.action)
        verdict = self._answered.get(question)
        if verdict is not None:
            return verdict
        try:
            verdict = self._ask(*question)
        except Exception:  # noqa: BLE001  casbin evaluates expressions: whatever it raises must end as a refusal
            _log.exception(
                "the policy engine failed, so the request is refused (%s %s)", access.action, access.resource
            )
            return Verdict(allowed=False, rule="error", policy=self.digest)
        # Only for principals that some rule concerns; their number is bounded by the policy, that of strangers is not.
        if self.has_role(principal_name):
            self._answered[question] = verdict
        return verdict

    def _ask(self, principal_name: str, resource: str, action: str) -> Verdict:
        rule = self._engine.enforce(principal_name, resource, action, self._rules.get(principal_name, ()))
        if rule is None:
            return Verdict(allowed=False, rule=DEFAULT, policy=self.digest)
        return Verdict(allowed=True, rule="p:" + "/".join(rule), policy=self.digest)

    def has_role(self, principal_name: str) -> bool:
        """Whether any rule can concern the principal."""
        return bool(self._rules.get(principal_name))


def load(files: Sequence[Path]) -> Policy:
    """Read the files as one policy. Raises `PolicyError` with every problem of every file."""
    contents: list[bytes] = []
    lines: list[Lines] = []
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
        contents.append(content)
        lines.append(parse(str(file), content))
    problems += [problem for part in lines for problem in part.problems]
    grants = tuple(grant for part in lines for grant in part.grants)
    memberships = tuple(membership for part in lines for membership in part.memberships)
    # Half-read files would make sound lines look wrong: their names are missing.
    problems += () if problems else roles.mistakes(grants, memberships, [str(file) for file in files])
    if problems:
        raise PolicyError(problems)
    return Policy(grants, memberships, f"sha256:{hashlib.sha256(b''.join(contents)).hexdigest()}")


def _rule(grant: Grant) -> Rule:
    return (grant.role, grant.resource, grant.action)
