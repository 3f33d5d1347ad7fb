"""
The conditions of policy rules: a small language that always ends, changes nothing and is checked before it is used.

It is a part of Python's expressions, read with `ast` and turned once into closures; nothing is ever evaluated as Python. There are
`and`, `or`, `not`, comparisons, `in` a list of constants, the attributes of `policy.attributes` and the calls of `policy.predicates`.
Types are checked when a condition is read, so that it cannot fail when it is asked.

A rule whose condition names an attribute that the request lacks never helps the caller: an allow rule does not count, a deny rule does,
whatever the rest of the condition says. (Cedar skips both, so there a `forbid` is lost; docs/decisions/0012.)
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from deepseek_local.access import Attribute
from deepseek_local.policy.attributes import ATTRIBUTES, Attributes, is_known, remedy
from deepseek_local.policy.predicates import PREDICATES, Test

__all__ = ["ATTRIBUTES", "Condition", "ConditionError", "compile"]

MAXIMUM_CHARACTERS = 1_000
"""Python reads deeply nested expressions recursively; so short a text cannot nest deeply enough to matter."""

_STRING = re.compile(r""""[^"]*"|'[^']*'""")
_NAMES = {str: "a text", int: "a number", bool: "true or false"}
_EQUALITY = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
_ORDER = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}


class ConditionError(ValueError):
    """A text is no condition; `column` counts its characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read: what it says, what it looks at, and its answer for a request."""

    text: str
    names: frozenset[str]
    """The attributes that it names; without one of them it has no answer."""
    _test: Test

    def has_answer(self, attributes: Attributes) -> bool:
        """Whether the request has every attribute that it names."""
        return all(is_known(name, attributes) for name in self.names)

    def lacking(self, attributes: Attributes) -> frozenset[str]:
        """Return which of its attributes the request lacks."""
        return frozenset(name for name in self.names if not is_known(name, attributes))

    def holds(self, attributes: Attributes) -> bool:
        """Say whether it is true of the request. Raises `KeyError` when the request lacks an attribute that the answer needs."""
        return self._test(attributes)


@lru_cache(maxsize=16_384)
def compile(text: str) -> Condition:  # noqa: A001  the name says what it does, and is used with its module's name
    """Read a condition; the empty one always holds. Raises `ConditionError`."""
    if not text:
        return Condition(text, frozenset(), lambda _: True)
    reader = _Reader(text)
    test = reader.truth(_parsed(text))
    return Condition(text, frozenset(reader.names), test)


def _parsed(text: str) -> ast.expr:
    if len(text) > MAXIMUM_CHARACTERS:
        raise ConditionError(f"has {len(text)} characters, at most {MAXIMUM_CHARACTERS} are read; split the rule", 1)
    for character in ("\\", "#", "\0"):
        if character in (text if character != "#" else _STRING.sub("", text)):
            column = text.index(character) + 1
            raise ConditionError(f"{character!r} has no meaning in a condition; remove it", column)
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = min(error.offset or len(text), len(text))
        raise ConditionError(
            f"cannot be read as an expression ({error.msg}); check quotes and brackets", column
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConditionError("cannot be read as an expression; make it simpler", 1) from error


@dataclass(frozen=True, slots=True)
class _Operand:
    """One side of a comparison: an attribute or a constant."""

    type: type
    value: Callable[[Attributes], Attribute]
    name: str | None = None
    constant: Attribute | None = None


class _Reader:
    """Turns the syntax tree of one condition into closures, and notes which attributes it names."""

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self._text = text

    def truth(self, node: ast.expr) -> Test:
        """Read what is true or false. Raises `ConditionError`."""
        match node:
            case ast.BoolOp(op=ast.And()):
                parts = tuple(self.truth(value) for value in node.values)
                return lambda attributes: all(part(attributes) for part in parts)
            case ast.BoolOp(op=ast.Or()):
                parts = tuple(self.truth(value) for value in node.values)
                return lambda attributes: any(part(attributes) for part in parts)
            case ast.UnaryOp(op=ast.Not()):
                part = self.truth(node.operand)
                return lambda attributes: not part(attributes)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
        operand = self._operand(node)
        if operand.type is not bool:
            self._refuse(node, f"is {_NAMES[operand.type]}, not true or false; compare it with something")
        return lambda attributes: operand.value(attributes) is True

    def _comparison(self, node: ast.Compare) -> Test:
        sides = (node.left, *node.comparators)
        parts = tuple(
            self._pair(left, sign, right) for left, sign, right in zip(sides, node.ops, sides[1:], strict=False)
        )
        return parts[0] if len(parts) == 1 else lambda attributes: all(part(attributes) for part in parts)

    def _pair(self, left_node: ast.expr, sign: ast.cmpop, right_node: ast.expr) -> Test:
        left = self._operand(left_node)
        if isinstance(sign, ast.In | ast.NotIn):
            return self._member(left, right_node, wanted=isinstance(sign, ast.In))
        right = self._operand(right_node)
        self._alike(left, right, right_node)
        compare = _EQUALITY.get(type(sign)) or (_ORDER.get(type(sign)) if left.type is int else None)
        if compare is None:
            self._refuse(right_node, f"is compared in a way that {_NAMES[left.type]} does not know; write == or !=")
        first, second = left.value, right.value
        return lambda attributes: bool(compare(first(attributes), second(attributes)))

    def _member(self, left: _Operand, node: ast.expr, *, wanted: bool) -> Test:
        if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
            self._refuse(node, 'is no list of constants; write one such as ("a", "b")')
        members = [self._operand(element) for element in node.elts]
        for member, element in zip(members, node.elts, strict=True):
            if member.name is not None:
                self._refuse(element, "is no constant; a list holds only texts or numbers")
            self._alike(left, member, element)
        found, value = frozenset(member.constant for member in members), left.value
        return lambda attributes: (value(attributes) in found) is wanted

    def _call(self, node: ast.Call) -> Test:
        predicate = PREDICATES.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if predicate is None:
            self._refuse(node.func, f"is no call that a condition can make; there are {', '.join(PREDICATES)}")
        arguments = [self._operand(argument) for argument in node.args if not isinstance(argument, ast.Starred)]
        if (
            node.keywords
            or len(arguments) != len(node.args)
            or len(arguments) not in predicate.count
            or any(argument.name is not None or argument.type is not predicate.argument for argument in arguments)
        ):
            self._refuse(node, f"is not written like {predicate.example}")
        self.names.add(predicate.attribute)
        try:
            return predicate.build(*(argument.constant for argument in arguments))
        except ValueError as error:
            raise ConditionError(str(error), self._column(node)) from error

    def _operand(self, node: ast.expr) -> _Operand:
        match node:
            case ast.Constant(value=bool() | int() | str() as constant):
                return _Operand(type(constant), lambda _: constant, constant=constant)
            case ast.Name(id=name) if name in ATTRIBUTES:
                self.names.add(name)
                return _Operand(ATTRIBUTES[name], operator.itemgetter(name), name=name)
            case ast.Name():
                message = f"is no attribute; there are {', '.join(ATTRIBUTES)}"
            case _:
                message = "is more than a condition can say; use attributes, constants, comparisons, and, or, not"
        return self._refuse(node, message)

    def _alike(self, left: _Operand, right: _Operand, node: ast.expr) -> None:
        """Raise `ConditionError` when the comparison of the two can have only one answer."""
        if left.type is not right.type:
            self._refuse(node, f"is {_NAMES[right.type]}, and is compared with {_NAMES[left.type]}")
        for attribute, other in ((left, right), (right, left)):
            if attribute.name == "ip":
                self._refuse(node, 'is compared with ip, which has many spellings; write cidr("10.0.0.5/32")')
            if attribute.name is not None and other.constant is not None:
                meant = remedy(attribute.name, other.constant)
                if meant:
                    self._refuse(node, f"is no value that {attribute.name} can have; {meant}")

    def _refuse(self, node: ast.expr, message: str) -> NoReturn:
        raise ConditionError(f"{ast.get_source_segment(self._text, node)} {message}", self._column(node))

    def _column(self, node: ast.expr) -> int:
        return len(self._text.encode()[: node.col_offset].decode()) + 1
