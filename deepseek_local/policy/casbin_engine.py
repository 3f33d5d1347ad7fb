"""
Casbin behind types: the one file that touches the untyped library.

`enforce` hands casbin only the rules given; which rules can concern a subject is known beforehand, and casbin's cost is linear in them.
Two of its habits are kept out: with no rules at all it evaluates the matcher with empty strings (and allows an empty subject), and it
logs the values of every refused request (`casbin/core_enforcer.py`, `enforce_ex`).
"""

import logging
from collections.abc import Iterable, Sequence
from importlib import resources

import casbin

Rule = tuple[str, str, str]
"""Role, resource, action."""

_SILENT = logging.Logger("casbin.silent", level=logging.CRITICAL + 1)  # noqa: LOG001  see below
"""Not in the logging tree, so that no configuration of the process can make it speak."""


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]  # casbin has no types
    """Casbin's enforcer with the matcher parsed once; casbin parses it for every request, which is most of what a request costs."""

    _expression: object = None

    def _get_expression(self, expression: str, functions: object = None) -> object:
        if self._expression is None:
            self._expression = super()._get_expression(expression, functions)
        return self._expression


class Engine:
    """One casbin enforcer with the project's model and the links between members and roles; not for use from several threads."""

    def __init__(self, links: Iterable[tuple[str, str]]) -> None:
        model = _Enforcer.new_model(text=resources.files(__package__).joinpath("model.conf").read_text("utf-8"))
        self._enforcer = _Enforcer(model)
        self._enforcer.logger = _SILENT
        self._enforcer.add_grouping_policies([list(link) for link in links])
        self._rules = self._enforcer.get_model()["p"]["p"]

    def enforce(self, subject: str, resource: str, action: str, rules: Sequence[Rule]) -> Rule | None:
        """Return the rule that allows the access, or None. Raises whatever casbin raises."""
        if not subject or not rules:
            return None
        self._rules.policy = list(rules)
        try:
            allowed, rule = self._enforcer.enforce_ex(subject, resource, action)
        finally:
            self._rules.policy = []
        return (rule[0], rule[1], rule[2]) if allowed is True else None
