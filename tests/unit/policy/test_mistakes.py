"""Lines that cannot be meant together are refused, at the line that is to be changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_local.errors import PolicyError
from deepseek_local.policy.enforcer import load
from deepseek_local.policy.rules import Membership

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("p, reader, x, read\ng, alice, reader\n", 2, "user 'alice' has no namespace; write `u:alice`"),
        ("p, reader, x, read\ng, u:alice, raeder\n", 2, "role 'raeder' has no rule"),
        ("p, reader, x, read\np, reader, x, read\n", 2, "p:reader/x/read is already said at"),
        ("p, reader, x, read, stream\np, reader, x, read, stream\n", 2, "p:reader/x/read if stream is already said at"),
        ("p, r, x, read\ng, u:a, r\ng, u:a, r\n", 3, "g:u:a/r is already said at"),
        ("p, r, x, read\ng, u:a, r, t\ng, u:a, r, t\n", 3, "g:u:a/r/t is already said at"),
        ("p, a, x, read\np, b, x, read\ng, a, b\ng, b, a\n", 3, "roles go in a circle"),
        ("p, a, x, read\np, b, x, read\ng, a, b, one\ng, b, a, two\n", 3, "roles go in a circle"),
        ("p, a, x, read\ng, a, a\n", 2, "roles go in a circle: a → a"),
        ("p, a, xs, read\ng2, x, xs\ng2, x, xs\n", 3, "g2:x/xs is already said at"),
        ("p, a, xs, read\ng2, x, sx\n", 2, "group 'sx' stands in no rule"),
        ("p, a, xs, read\ng2, x, xs\ng2, xs, x\n", 2, "groups go in a circle"),
        ("p, *, x, read, , deny\n", None, "policy has only rules that deny"),
        ("p, r, *, *\ng, u:a, r\n", 2, "u:a would have rights over everything by the role 'r'; add it to gateway.adm"),
        (
            "p, r, *, read\np, r, *, execute\np, q, *, write\np, q, *, delete, stream\ng, q, r\ng, u:a, q\n",
            6,
            "u:a would have rights over everything by the role 'q'",
        ),
        (
            "p, r, *, read\np, r, *, execute\np, q, *, write\np, q, *, delete\ng, u:a, q\ng, u:a, r\n",
            6,
            "u:a would have rights over everything by the role 'r'",
        ),
        ("p, r, *, *, stream\ng, q, r\ng, u:a, q, t\n", 3, "u:a would have rights over everything by the role 'q'"),
    ],
)
def test_lines_that_cannot_be_meant_together_are_refused(write: Write, text: str, line: int | None, part: str):
    with pytest.raises(PolicyError) as caught:
        load([write(text)])
    (problem,) = caught.value.problems
    assert problem.line == line
    assert part in problem.message


def test_the_same_right_under_another_condition_or_tenant_is_no_repetition(write: Write):
    text = "p, r, x, read\np, r, x, read, stream\np, r, x, read, stream, deny\ng, u:a, r\ng, u:a, r, t\n"
    assert len(load([write(text)]).grants) == 3


def test_an_administrator_may_have_rights_over_everything(write: Write):
    file = write("p, admin, *, *\np, all, *, read\ng, u:root, admin\ng, u:ann, all\n")
    assert load([file], ["u:root"]).has_role("u:root")


def test_rights_that_are_denied_over_everything_are_no_rights(write: Write):
    assert load([write("p, r, x, read\np, r, *, *, stream, deny\ng, u:a, r\n")]).has_role("u:a")


def test_a_chain_of_roles_may_not_be_deeper_than_five(write: Write, access, who):
    links = "".join(f"g, r{n}, r{n + 1}\n" for n in range(4))
    policy = load([write(f"p, r4, *, read\n{links}g, u:a, r0\n")])
    assert policy.decide(who("u:a"), access("x", "read"), {}).allowed
    with pytest.raises(PolicyError, match="'u:a' reaches a role only through 6 lines"):
        load([write(f"p, r5, *, read\n{links}g, r4, r5\ng, u:a, r0\n")])


def test_a_chain_of_groups_may_not_be_deeper_than_five(write: Write, access, who):
    links = "".join(f"g2, x{n}, x{n + 1}\n" for n in range(5))
    policy = load([write(f"p, r, x5, read\n{links}g, u:a, r\n")])
    assert policy.decide(who("u:a"), access("x0", "read"), {}).allowed
    with pytest.raises(PolicyError, match="'x0' reaches a group only through 6 lines"):
        load([write(f"p, r, x6, read\n{links}g2, x5, x6\ng, u:a, r\n")])


def test_extra_members_need_a_role_that_exists_and_nothing_else(write: Write):
    file = write("p, admin, *, *\n")
    assert load([file], extra=[Membership("u:a", "admin", None, "table.csv", 1)]).has_role("u:a")
    with pytest.raises(PolicyError, match="role 'amdin' has no rule"):
        load([file], extra=[Membership("u:a", "amdin", None, "table.csv", 1)])
