"""
Policy text to rules: `p, role, resource, action` and `g, member, role`, with every mistake at its line.

Casbin's own reader is not used: it keeps comments as part of a field and loads lines of any length, which fail or match at the first
request. What is refused here is what casbin would take and do something surprising with.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepseek_local.access import PRINCIPAL
from deepseek_local.errors import Problem

MAXIMUM_BYTES = 1_048_576
MAXIMUM_LINES = 5_000
ACTIONS = ("read", "execute", "write", "delete", "*")

_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_RESOURCE = re.compile(r"\*|[a-z][A-Za-z0-9._-]*\*?")
_FIELDS = {"p": ("role", "resource", "action"), "g": ("member", "role")}


@dataclass(frozen=True, slots=True)
class Grant:
    """A `p` line: what a role may do."""

    role: str
    resource: str
    action: str
    file: str
    line: int

    def __str__(self) -> str:
        """Render as the audit log names the rule."""
        return f"p:{self.role}/{self.resource}/{self.action}"


@dataclass(frozen=True, slots=True)
class Membership:
    """A `g` line: a principal, or a role, has a role."""

    member: str
    role: str
    file: str
    line: int

    def __str__(self) -> str:
        """Render as the audit log would name the line."""
        return f"g:{self.member}/{self.role}"


@dataclass(frozen=True, slots=True)
class Lines:
    """What one file says, and what is wrong with it."""

    grants: tuple[Grant, ...]
    memberships: tuple[Membership, ...]
    problems: tuple[Problem, ...]


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
    numbered = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    meant = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    if len(meant) > MAXIMUM_LINES:
        return _refused(
            file, f"has {len(meant)} rules, at most {MAXIMUM_LINES} are read; give rules to roles, not to users"
        )
    return _collect(file, meant)


def _collect(file: str, lines: Sequence[tuple[int, str]]) -> Lines:
    grants: list[Grant] = []
    memberships: list[Membership] = []
    problems: list[Problem] = []
    for number, line in lines:
        kind, *fields = (field.strip() for field in line.split(","))
        messages = tuple(_mistakes(kind, fields))
        problems.extend(Problem(message, file, number) for message in messages)
        if messages:
            continue
        if kind == "p":
            role, resource, action = fields
            grants.append(Grant(role, resource, action, file, number))
        else:
            member, role = fields
            memberships.append(Membership(member, role, file, number))
    return Lines(tuple(grants), tuple(memberships), tuple(problems))


def _refused(file: str, message: str, line: int | None = None) -> Lines:
    return Lines((), (), (Problem(message, file, line),))


def _mistakes(kind: str, fields: Sequence[str]) -> Iterator[str]:
    names = _FIELDS.get(kind)
    if names is None:
        yield f"line type {kind!r} is unknown; write `p` for a rule or `g` for a member"
    elif len(fields) != len(names):
        yield f"`{kind}` takes {len(names)} fields ({', '.join(names)}), this line has {len(fields)}"
    elif not all(fields):
        empty = ", ".join(name for name, field in zip(names, fields, strict=True) if not field)
        yield f"empty {empty}; every field needs a value"
    elif kind == "p":
        yield from _mistakes_of_a_grant(*fields)
    else:
        yield from _mistakes_of_a_membership(*fields)


def _mistakes_of_a_grant(role: str, resource: str, action: str) -> Iterator[str]:
    yield from _mistakes_of_a_role(role)
    if "*" in resource[:-1]:
        yield f"resource {resource!r} has `*` before its end, where everything after it would be ignored; write it last"
    elif not _RESOURCE.fullmatch(resource):
        yield f"resource {resource!r} is no name such as `inference_chat` or `inference_*`"
    if action not in ACTIONS:
        yield f"action {action!r} is unknown; write one of {', '.join(ACTIONS)}"


def _mistakes_of_a_membership(member: str, role: str) -> Iterator[str]:
    yield from _mistakes_of_a_role(role)
    if not PRINCIPAL.fullmatch(member) and not _ROLE.fullmatch(member):
        yield f"member {member!r} is neither a principal such as `u:alice` or `s:batch` nor a role"


def _mistakes_of_a_role(role: str) -> Iterator[str]:
    if ":" in role:
        yield f"role {role!r} contains `:`, which is kept for principals; give rules to a role and the role to {role!r}"
    elif not _ROLE.fullmatch(role):
        yield f"role {role!r} is no name such as `operator` (a lower-case letter, then letters, digits, `_`, `-`)"
