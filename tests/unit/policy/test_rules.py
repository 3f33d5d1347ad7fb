"""Policy text: what is read, and that every mistake is told at its line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.policy.rules import MAXIMUM_BYTES, MAXIMUM_LINES, parse


def problems(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    return [str(problem) for problem in parse("policy.csv", content).problems]


def test_comments_blank_lines_and_spaces_are_no_rules():
    lines = parse("policy.csv", b"# roles\r\n\r\n  p ,  admin , * , *  \r\n\tg,u:alice,admin\n")
    assert [(grant.role, grant.resource, grant.action, grant.line) for grant in lines.grants] == [
        ("admin", "*", "*", 3)
    ]
    assert [(line.member, line.role, line.line) for line in lines.memberships] == [("u:alice", "admin", 4)]
    assert lines.problems == ()


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("p2, admin, *, *", "line type 'p2' is unknown"),
        ("\ufeffp, admin, *, *", "line type '\\ufeffp' is unknown"),
        ("p, admin, *", "`p` takes 3 to 5 fields (role, resource, action[, condition][, effect]), this line has 2"),
        ("p, admin, *, *, , allow, x", "this line has 6"),
        ("p, admin, *, *, deny", "condition: deny is no attribute"),
        ("p, admin, *, *, deny", "an effect is the fifth field: `, , deny`"),
        ("p, admin, *, *, , never", "effect 'never' is unknown; write allow or deny"),
        ("p, admin, *, *, ,", "empty effect"),
        ("g, u:alice", "`g` takes 2 to 3 fields (member, role[, tenant]), this line has 1"),
        ("p, admin, , *", "empty resource"),
        ("p, , , *", "empty role, resource"),
        ("p, admin, model_*_public, read", "`*` before its end"),
        ("p, admin, model_**, read", "`*` before its end"),
        ("p, admin, Model, read", "resource 'Model' is no name"),
        ("p, u:admin, *, *", "role 'u:admin' contains `:`"),
        ("p, Admin, *, *", "role 'Admin' is no name"),
        ("p, *, engine_rpc, *", "role '*' is everybody, who can only be denied something"),
        ('p, *, engine_rpc, *, "hours(8, 20)", allow', "role '*' is everybody"),
        ("p, admin, *, read|write", "action 'read|write' is unknown"),
        ("p, admin, *, read # comment", "action 'read # comment' is unknown"),
        ('p, admin, "a,b", read', "resource 'a,b' is no name"),
        ('p, admin, a, read, "hour < 8" , deny', "the line is no CSV"),
        ('p, admin, a, read, "hour < 8', "the line is no CSV (unexpected end of data)"),
        ("p, admin, a, read\r, x", "the line is no CSV"),
        ("p, a, x, read, hours(8, deny", "a condition with commas stands in double quotes"),
        ("g, u:alice, s:admin", "role 's:admin' contains `:`"),
        ("g, x:alice, admin", "member 'x:alice' is neither a principal"),
        ("g, u:Alice, admin", "member 'u:Alice' is neither a principal"),
        ("g, u:, admin", "member 'u:' is neither a principal"),
        ("g, u:alice, admin, ", "empty tenant"),
        ("g, u:alice, admin, Acme", "tenant 'Acme' is no name"),
        ("g, u:alice, admin, *", "tenant '*' is no name"),
        ("g2, model_*, big", "resource 'model_*' is no single name"),
        ("g2, model_a", "`g2` takes 2 fields (resource, group), this line has 1"),
    ],
)
def test_a_mistake_is_told_at_its_line(line: str, part: str):
    (problem,) = problems(f"# first\n{line}\n")
    assert re.match(r"policy\.csv:2(:\d+)?: ", problem)
    assert part in problem


def test_a_rule_may_have_a_condition_and_an_effect():
    lines = parse(
        "policy.csv",
        b"p, a, x, read\n"
        b'p, a, x, read, tenant == "acme"\n'
        b"p, *, x, read, , deny\n"
        b"p, a, x, read, \"hours(8, 20) and model('m-*', 'n')\", deny\n"
        b'p, a, x, read, "model(""m"", ""n"")",allow\n',
    )
    assert lines.problems == ()
    assert [(grant.role, grant.condition, grant.effect) for grant in lines.grants] == [
        ("a", "", "allow"),
        ("a", 'tenant == "acme"', "allow"),
        ("*", "", "deny"),
        ("a", "hours(8, 20) and model('m-*', 'n')", "deny"),
        ("a", 'model("m", "n")', "allow"),
    ]


def test_a_line_is_named_as_the_audit_log_names_it():
    lines = parse("f", b"p, a, x_*, *\np, *, x, read, stream, deny\ng, u:a, a, acme\ng, u:a, a\ng2, x, xs\n")
    assert [str(line) for line in (*lines.grants, *lines.memberships, *lines.bundles)] == [
        "p:a/x_*/*",
        "p:*/x/read/deny if stream",
        "g:u:a/a/acme",
        "g:u:a/a",
        "g2:x/xs",
    ]


def test_tenants_and_groups_of_resources_are_read():
    lines = parse("f", b"g, u:a, ops, acme\ng2, model_deepseek-67b, big_models\n")
    assert [(line.member, line.role, line.tenant) for line in lines.memberships] == [("u:a", "ops", "acme")]
    assert [(line.resource, line.group) for line in lines.bundles] == [("model_deepseek-67b", "big_models")]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("p, a, x, read, hour == 24", 24),
        ("  p, a, x, read, hour == 24", 26),
        ('p, a, x, read, "hour in (1, 24)"', 29),
        ("p, hour, x, read, not hour", 23),
    ],
)
def test_a_mistake_in_a_condition_is_told_at_its_column(line: str, column: int):
    (problem,) = parse("f", line.encode()).problems
    assert (problem.line, problem.column) == (1, column)


def test_a_condition_with_doubled_quotes_is_told_at_its_line():
    (problem,) = parse("f", b'p, a, x, read, "tenant in (""a"", ""B"")"').problems
    assert (problem.line, problem.column) == (1, None)


def test_all_mistakes_are_told_at_once():
    found = problems("p, admin, *\nx\np, a:b, *_*, fly\n")
    assert [problem.split(": ")[0] for problem in found] == ["policy.csv:1", "policy.csv:2"] + ["policy.csv:3"] * 3


def test_bytes_that_are_not_utf8_are_told_at_their_line():
    (problem,) = problems(b"p, admin, *, *\n# caf\xe9\n")
    assert problem.startswith("policy.csv:2: byte 0xe9 is not UTF-8")


def test_a_file_that_is_too_large_is_not_read():
    (problem,) = problems(b"#" * (MAXIMUM_BYTES + 1))
    assert "at most 1048576 are read" in problem


def test_a_file_with_too_many_rules_is_not_read():
    (problem,) = problems("p, admin, *, *\n" * (MAXIMUM_LINES + 1))
    assert "has 5001 rules" in problem


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes):
    lines = parse("policy.csv", content)
    assert all(problem.file == "policy.csv" for problem in lines.problems)


FIELDS = [
    "p",
    "g",
    "g2",
    "*",
    "reader",
    "u:a",
    "x",
    "x_*",
    "read",
    "deny",
    "allow",
    "stream",
    '"hours(8, 20)"',
    '"',
    "",
    "acme",
]


@given(st.lists(st.lists(st.sampled_from(FIELDS), max_size=7).map(", ".join), max_size=5))
def test_every_line_is_a_rule_or_has_a_problem(texts: list[str]):
    lines = parse("policy.csv", "\n".join(texts).encode())
    read = {line.line for line in (*lines.grants, *lines.memberships, *lines.bundles)}
    refused = {problem.line for problem in lines.problems}
    assert read | refused == {number for number, text in enumerate(texts, start=1) if text.strip()}
    assert not read & refused
