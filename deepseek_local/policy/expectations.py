"""
Tables of expectations: what a policy must answer, beside the policy, `users.tests.csv` beside `users.csv`.

    # who, request, attributes, answer
    g, u:test-operator, operator
    u:test-operator, POST /v1/chat/completions, model=deepseek-67b stream=true, allow
    u:test-operator, audit_log:read, , deny

A request is a route or `resource:action`; what a line does not name, the request lacks. `g` lines give roles for the test only. A table
speaks for its file together with the files listed before it, so that what comes with the kit stays true whatever a site adds, and a table
beside the last file speaks for the whole policy. A policy that breaks one expectation is not loaded.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.access import Access, Attribute, Principal, Risk, Verdict
from deepseek_local.errors import PolicyError, Problem
from deepseek_local.files import is_writable_by_all, read_regular
from deepseek_local.policy import questions, rules
from deepseek_local.policy.questions import Question
from deepseek_local.policy.rules import Membership

SUFFIX = ".tests.csv"
FIELDS = 4
MAXIMUM_BYTES = rules.MAXIMUM_BYTES

Decide = Callable[[Principal, Access, Mapping[str, Attribute]], Verdict]
"""What answers a question, as `Policy.decide` does."""
Build = Callable[[Sequence[Path], Sequence[Membership]], Decide]
"""Makes a policy of some files and some more members. Raises `PolicyError`."""

_ANSWERS = {"allow": True, "deny": False}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One line of a table: a question, and the answer that the policy must give."""

    question: Question
    is_allowed: bool
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """What one table says, and what is wrong with it."""

    expectations: tuple[Expectation, ...]
    memberships: tuple[Membership, ...]
    problems: tuple[Problem, ...]


def table_of(file: Path) -> Path:
    """Return where the table of a policy file lies, whether or not there is one."""
    return file.with_name(file.name.removesuffix(".csv") + SUFFIX)


def tables(files: Sequence[Path]) -> tuple[Path, ...]:
    """Return the tables that exist beside the files of a policy."""
    # A link that leads nowhere counts, so that it is told and not passed over.
    return tuple(table for table in map(table_of, files) if table.exists() or table.is_symlink())


def failures(files: Sequence[Path], build: Build) -> tuple[Problem, ...]:
    """Run every table beside the files and tell each line whose answer differs, and whatever keeps a table from being run."""
    return tuple(
        problem
        for count, file in enumerate(files, start=1)
        for table in tables([file])
        for problem in failures_of(table, files[:count], build)
    )


def failures_of(path: Path, files: Sequence[Path], build: Build) -> tuple[Problem, ...]:
    """Run one table against the policy of the given files."""
    table = read(path)
    if table.problems:
        return table.problems
    try:
        decide = build(files, table.memberships)
    except PolicyError as error:
        names = ", ".join(file.name for file in files)
        message = (
            f"cannot be run against {names} ({error.problems[0]}); mend that, or put the table beside the last file"
        )
        return (Problem(message, str(path)),)
    return tuple(unmet(table, decide))


def read(path: Path) -> Table:
    """Read a table from its file; what keeps it from being read is among its problems."""
    try:
        content = read_regular(path, MAXIMUM_BYTES + 1)
        open_to_all = is_writable_by_all(path)
    except OSError as error:
        return _refused(Problem(f"cannot be read ({error.strerror}); check its type, owner and mode", str(path)))
    if open_to_all:
        return _refused(Problem(f"can be changed by every user of this host; run: chmod o-w {path}", str(path)))
    return parse(str(path), content)


def unmet(table: Table, decide: Decide) -> Iterator[Problem]:
    """Yield a problem for every expectation that the policy does not meet."""
    for line in table.expectations:
        allowed, rule = _answer(line.question, decide)
        if allowed != line.is_allowed:
            message = (
                f"{line.question}: expected {_word(line.is_allowed)}, but {rule} decides {_word(allowed)}; "
                "change the policy, or this line if it no longer says what is wanted"
            )
            yield Problem(message, line.file, line.line)


def parse(file: str, content: bytes) -> Table:
    """Read a table; `file` is only the name for problems."""
    if len(content) > MAXIMUM_BYTES:
        return _refused(Problem(f"has more than {MAXIMUM_BYTES} bytes; keep what matters", file))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = content.count(b"\n", 0, error.start) + 1
        return _refused(Problem(f"byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8", file, place))
    expectations: list[Expectation] = []
    problems: list[Problem] = []
    members: list[str] = []
    for number, stripped in enumerate((line.strip() for line in text.split("\n")), start=1):
        # The lines of members keep their numbers, so that `rules` tells mistakes at their place.
        is_member = re.match(r"g\s*,", stripped) is not None
        members.append(stripped if is_member else "")
        if is_member or not stripped or stripped.startswith("#"):
            continue
        try:
            expectations.append(_expectation(stripped, file, number))
        except (ValueError, csv.Error) as error:
            problems.append(Problem(str(error), file, number))
    lines = rules.parse(file, "\n".join(members).encode())
    found = sorted((*problems, *lines.problems), key=lambda problem: problem.line or 0)
    return Table(tuple(expectations), lines.memberships, tuple(found))


def _expectation(line: str, file: str, number: int) -> Expectation:
    fields = [field.strip() for field in next(csv.reader([line], skipinitialspace=True, strict=True))]
    if len(fields) != FIELDS:
        raise ValueError(f"a line takes {FIELDS} fields (who, request, attributes, answer), this one has {len(fields)}")
    name, request, words, answer = fields
    if answer not in _ANSWERS:
        raise ValueError(f"answer {answer!r} is unknown; write allow or deny")
    return Expectation(questions.ask(name, request, words.split()), _ANSWERS[answer], file, number)


def _answer(question: Question, decide: Decide) -> tuple[bool, str]:
    """Return what the front door would do and why; some routes are decided before any policy."""
    risk = question.access.risk
    if risk is not Risk.GUARDED:
        return risk is Risk.PUBLIC, f"the route ({risk})"
    verdict = decide(question.principal, question.access, question.attributes)
    return verdict.allowed, verdict.rule


def _word(allowed: bool) -> str:  # noqa: FBT001 -- an answer, not a switch
    return "allow" if allowed else "deny"


def _refused(problem: Problem) -> Table:
    return Table((), (), (problem,))
