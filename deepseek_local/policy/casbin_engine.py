"""
Casbin behind types: the one file that touches the untyped library.

Casbin decides, by `model.conf`; it is handed only what can concern the question, because its cost is linear in the rules: the candidate
rules, the roles of the subject and the groups of the resource. Its own role managers are left out: with domains they compare every link
with every name when they are filled, and remember every name that they are ever asked about (`casbin/rbac/default_role_manager`).

Three more of its habits are kept out. With no rules at all it evaluates the matcher with empty strings, and allows an empty subject. It
logs the values of every refused request. And it reads the matcher anew for every request and then walks the tree, with `simpleeval`, for
every rule, which is most of what a decision costs: here the same text, which is ours and constant, is compiled by Python once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import CodeType

import casbin
from casbin.rbac import RoleManager

from deepseek_local.policy import conditions
from deepseek_local.policy.attributes import Attributes

Rule = tuple[str, str, str, str, str]
"""Role, resource, action, condition and effect, as `p` of the model."""

_MODEL = resources.files("deepseek_local.policy").joinpath("model.conf").read_text("utf-8")
_SILENT = logging.Logger("casbin.silent", level=logging.CRITICAL + 1)  # noqa: LOG001  see below
"""Not in the logging tree, so that no configuration of the process can make it speak."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question with everything that bears on it, but for the attributes of the request."""

    subject: str
    domain: str
    """The tenant; empty for none."""
    roles: frozenset[str]
    """The roles that the subject reaches."""
    carried: frozenset[str]
    """Those of them that the credential carries."""
    resource: str
    groups: frozenset[str]
    """The groups that the resource belongs to."""
    action: str
    rules: tuple[Rule, ...]
    """The rules that can matter."""


class Engine:
    """One casbin enforcer with the project's model; not for use from several threads."""

    def __init__(self) -> None:
        enforcer = _Enforcer(_Enforcer.new_model(text=_MODEL))
        enforcer.logger = _SILENT
        enforcer.add_function("cond", counts)
        self._enforcer = enforcer
        self._rules = enforcer.get_model()["p"]["p"]
        self._roles, self._groups = _Links(), _Links()
        enforcer.get_model()["g"]["g"].rm = self._roles
        enforcer.get_model()["g"]["g2"].rm = self._groups

    def decide(self, case: Case, attributes: Attributes) -> tuple[bool, Rule | None]:
        """Return whether the access is allowed, and the rule that decided it. Raises whatever casbin raises."""
        if not case.subject or not case.rules:
            return False, None
        self._rules.policy, self._roles.above, self._groups.above = case.rules, case.roles, case.groups
        try:
            allowed, rule = self._enforcer.enforce_ex(
                case.subject, case.domain, case.carried, case.resource, case.action, attributes
            )
        finally:
            self._rules.policy = []
        return allowed is True, rule or None


def counts(attributes: Attributes, text: str, effect: str) -> bool:
    """Say whether a rule's condition lets it count; where the request lacks an attribute that it names, only a rule that denies does."""
    condition = conditions.compile(text)
    return condition.holds(attributes) if condition.has_answer(attributes) else effect == "deny"


class _Links(RoleManager):  # type: ignore[misc]  # casbin has no types
    """What the one name that a question is about belongs to; casbin asks about no other."""

    def __init__(self) -> None:
        self.above: frozenset[str] = frozenset()

    def has_link(self, name1: str, name2: str, *_domain: str) -> bool:
        """Whether the first name is the second or belongs to it."""
        return name1 == name2 or name2 in self.above


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]  # casbin has no types
    """Casbin's enforcer with the matcher compiled once."""

    _expression: "_Matcher | None" = None

    def _get_expression(self, expression: str, functions: Mapping[str, object]) -> "_Matcher":
        if self._expression is None:
            self._expression = _Matcher(expression, functions)
        return self._expression


class _Matcher:
    """The matcher of the model as Python; `eval` is what casbin calls."""

    def __init__(self, text: str, functions: Mapping[str, object]) -> None:
        self._code: CodeType = compile(text.replace("&&", " and ").replace("||", " or "), "model.conf", "eval")
        self._functions = {**functions, "__builtins__": {}}

    def eval(self, values: Mapping[str, object]) -> object:
        """Say whether a rule matches the request."""
        return eval(self._code, self._functions, values)  # noqa: S307  the text is our own and constant, the values are only looked up
