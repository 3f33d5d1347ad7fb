"""
Policy text to rules: `p` says what a role may do, `g` who has a role, `g2` which resources form a group, every mistake at its line.

    p, role, resource, action[, condition[, effect]]
    g, member, role[, tenant]
    g2, resource, group

Casbin's own reader is not used: it splits quoted commas, keeps comments as part of a field and loads lines of any length, which fail or
match at the first request. What is refused here is what casbin would take and do something surprising with.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from deepseek_local.access import PRINCIPAL, ROLE, TENANT
from deepseek_local.errors import Problem
from deepseek_local.policy import conditions
from deepseek_local.policy.conditions import ConditionError

Effect = Literal["allow", "deny"]

MAXIMUM_BYTES = 1_048_576
MAXIMUM_LINES = 5_000
ACTIONS = ("read", "execute", "write", "delete", "*")
EVERYBODY = "*"
"""In place of a role: every principal, whatever roles it has; only for rules that deny."""

_RESOURCE = re.compile(r"\*|[a-z][A-Za-z0-9._-]*\*?")
_ONE_RESOURCE = re.compile(r"[a-z][A-Za-z0-9._-]*")
_CALLED = {"p": "a rule", "g": "a member", "g2": "a group of resources"}
_FIELDS = {
    "p": ("role", "resource", "action", "condition", "effect"),
    "g": ("member", "role", "tenant"),
    "g2": ("resource", "group"),
}
_NEEDED = {"p": 3, "g": 2, "g2": 2}


@dataclass(frozen=True, slots=True)
class Grant:
    """A `p` line: what a role may do, or may not."""

    role: str
    resource: str
    action: str
    condition: str
    """Text for `conditions.compile`; empty when the rule always counts."""
    effect: Effect
    file: str
    line: int

    def __str__(self) -> str:
        """Render as the audit log names the rule."""
        effect = "/deny" if self.effect == "deny" else ""
        condition = f" if {self.condition}" if self.condition else ""
        return f"p:{self.role}/{self.resource}/{self.action}{effect}{condition}"


@dataclass(frozen=True, slots=True)
class Membership:
    """A `g` line: a principal, or a role, has a role."""

    member: str
    role: str
    tenant: str | None
    """The only tenant for which it has the role; None for all, and for none."""
    file: str
    line: int

    def __str__(self) -> str:
        """Render as the audit log would name the line."""
        return f"g:{self.member}/{self.role}" + (f"/{self.tenant}" if self.tenant else "")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A `g2` line: a resource, or a group of resources, belongs to a group."""

    resource: str
    group: str
    file: str
    line: int

    def __str__(self) -> str:
        """Render as the audit log would name the line."""
        return f"g2:{self.resource}/{self.group}"


@dataclass(frozen=True, slots=True)
class Lines:
    """What one file says, and what is wrong with it."""

    grants: tuple[Grant, ...] = ()
    memberships: tuple[Membership, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse(file: str, content: bytes) -> Lines:
    """Read one policy file; `file` is only the name for problems."""
    if len(content) > MAXIMUM_BYTES:
        return _refused(
            file, f"has {len(content)} bytes, at most {MAXIMUM_BYTES} are read; give rules to roles, not to users"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _refused(file, f"byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8", line)
    numbered = enumerate(text.split("\n"), start=1)
    meant = [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]
    if len(meant) > MAXIMUM_LINES:
        return _refused(
            file, f"has {len(meant)} rules, at most {MAXIMUM_LINES} are read; give rules to roles, not to users"
        )
    return _collect(file, meant)


def _refused(file: str, message: str, line: int | None = None) -> Lines:
    return Lines(problems=(Problem(message, file, line),))


def _collect(file: str, lines: Sequence[tuple[int, str]]) -> Lines:
    grants: list[Grant] = []
    memberships: list[Membership] = []
    bundles: list[Bundle] = []
    problems: list[Problem] = []
    for number, line in lines:
        try:
            kind, *fields = _fields(line)
        except csv.Error as error:
            message = f"the line is no CSV ({error}); a quoted field ends with its quote right before the next comma"
            problems.append(Problem(message, file, number))
            continue
        found = [Problem(message, file, number) for message in _mistakes(kind, fields)]
        found += _mistakes_of_a_condition(line, fields, file, number) if kind == "p" else ()
        if found:
            problems += found
        elif kind == "p":
            grants.append(_grant(fields, file, number))
        elif kind == "g":
            memberships.append(_membership(fields, file, number))
        else:
            bundles.append(Bundle(fields[0], fields[1], file, number))
    return Lines(tuple(grants), tuple(memberships), tuple(bundles), tuple(problems))


def _fields(line: str) -> list[str]:
    """Split one line; spaces around fields do not count. Raises `csv.Error`."""
    (row,) = csv.reader([line.strip()], skipinitialspace=True, strict=True)
    return [field.strip() for field in row]


def _grant(fields: Sequence[str], file: str, line: int) -> Grant:
    role, resource, action, condition, effect = (*fields, *("", "allow")[len(fields) - 3 :])
    return Grant(role, resource, action, condition, "deny" if effect == "deny" else "allow", file, line)


def _membership(fields: Sequence[str], file: str, line: int) -> Membership:
    member, role, *tenant = fields
    return Membership(member, role, next(iter(tenant), None), file, line)


def _mistakes(kind: str, fields: Sequence[str]) -> Iterator[str]:
    names = _FIELDS.get(kind)
    if names is None:
        known = ", ".join(f"`{kind}` for {called}" for kind, called in _CALLED.items())
        yield f"line type {kind!r} is unknown; write {known}"
        return
    needed = names[: _NEEDED[kind]]
    empty = [name for name, field in zip(names, fields, strict=False) if not field and name != "condition"]
    if not len(needed) <= len(fields) <= len(names):
        optional = "".join(f"[, {name}]" for name in names[len(needed) :])
        count = f"{len(needed)} to {len(names)}" if optional else f"{len(names)}"
        yield f"`{kind}` takes {count} fields ({', '.join(needed)}{optional}), this line has {len(fields)}"
    elif empty:
        yield f"empty {', '.join(empty)}; every field needs a value"
    elif kind == "p":
        yield from _mistakes_of_a_grant(*fields)
    elif kind == "g":
        yield from _mistakes_of_a_membership(*fields)
    else:
        yield from _mistakes_of_a_bundle(*fields)


def _mistakes_of_a_grant(
    role: str, resource: str, action: str, _condition: str = "", effect: str = "allow"
) -> Iterator[str]:
    if role != EVERYBODY:
        yield from _mistakes_of_a_role(role)
    elif effect == "allow":
        yield "role '*' is everybody, who can only be denied something; name a role, or make `deny` the effect"
    if "*" in resource[:-1]:
        yield f"resource {resource!r} has `*` before its end, where everything after it would be ignored; write it last"
    elif not _RESOURCE.fullmatch(resource):
        yield f"resource {resource!r} is no name such as `inference_chat` or `inference_*`"
    if action not in ACTIONS:
        yield f"action {action!r} is unknown; write one of {', '.join(ACTIONS)}"
    if effect not in get_args(Effect):
        yield f"effect {effect!r} is unknown; write allow or deny"


def _mistakes_of_a_condition(line: str, fields: Sequence[str], file: str, number: int) -> Iterator[Problem]:
    text = next(iter(fields[3:4]), "")
    try:
        conditions.compile(text)
    except ConditionError as error:
        # A condition with doubled quotes does not stand in the line as it is read: then only the line is told.
        begin = line.find(text, sum(map(len, line.split(",", 4)[:4])))
        hint = f"; an effect is the fifth field: `, , {text}`" if text in get_args(Effect) else ""
        hint += '; a condition with commas stands in double quotes, `"hours(8, 20)"`' if fields[4:] else ""
        column = begin + error.column if begin >= 0 else None
        yield Problem(f"condition: {error}{hint}", file, number, column)


def _mistakes_of_a_membership(member: str, role: str, tenant: str | None = None) -> Iterator[str]:
    yield from _mistakes_of_a_role(role)
    if not PRINCIPAL.fullmatch(member) and not ROLE.fullmatch(member):
        yield f"member {member!r} is neither a principal such as `u:alice` or `s:batch` nor a role"
    if tenant is not None and not TENANT.fullmatch(tenant):
        yield f"tenant {tenant!r} is no name such as `radiology` (a lower-case letter, then letters, digits, `_`, `-`)"


def _mistakes_of_a_bundle(resource: str, group: str) -> Iterator[str]:
    for name in (resource, group):
        if not _ONE_RESOURCE.fullmatch(name):
            yield f"resource {name!r} is no single name such as `model_deepseek-67b`, which is all that a group can hold"


def _mistakes_of_a_role(role: str) -> Iterator[str]:
    if ":" in role:
        yield f"role {role!r} contains `:`, which is kept for principals; give rules to a role and the role to {role!r}"
    elif not ROLE.fullmatch(role):
        yield f"role {role!r} is no name such as `operator` (a lower-case letter, then letters, digits, `_`, `-`)"
