"""Policy text: what is read, and that every mistake is told at its line."""

import pytest

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
        ("p, admin, *", "takes 3 fields (role, resource, action), this line has 2"),
        ("p, admin, *, *, allow", "this line has 4"),
        ("g, u:alice", "takes 2 fields (member, role), this line has 1"),
        ("p, admin, , *", "empty resource"),
        ("p, , , *", "empty role, resource"),
        ("p, admin, model_*_public, read", "`*` before its end"),
        ("p, admin, model_**, read", "`*` before its end"),
        ("p, admin, Model, read", "resource 'Model' is no name"),
        ("p, u:admin, *, *", "role 'u:admin' contains `:`"),
        ("p, Admin, *, *", "role 'Admin' is no name"),
        ("p, *, engine_rpc, *", "role '*' is no name"),
        ("p, admin, *, read|write", "action 'read|write' is unknown"),
        ("p, admin, *, read # comment", "action 'read # comment' is unknown"),
        ('p, admin, "a,b", read', "this line has 4"),
        ("g, u:alice, s:admin", "role 's:admin' contains `:`"),
        ("g, x:alice, admin", "member 'x:alice' is neither a principal"),
        ("g, u:Alice, admin", "member 'u:Alice' is neither a principal"),
        ("g, u:, admin", "member 'u:' is neither a principal"),
    ],
)
def test_a_mistake_is_told_at_its_line(line: str, part: str):
    (problem,) = problems(f"# first\n{line}\n")
    assert problem.startswith("policy.csv:2: ")
    assert part in problem


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
