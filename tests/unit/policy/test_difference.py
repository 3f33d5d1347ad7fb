"""The difference of two policies: everything that changes for somebody is told, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.policy import questions, rules
from deepseek_local.policy.difference import between
from deepseek_local.policy.enforcer import Policy

BASE = """
p, operator, inference_chat, execute
p, analyst, model_list, read
p, auditor, audit_*, read
g, u:olga, operator
g, u:ann, analyst
g, u:dora, operator, radiology
"""


def policy(text: str) -> Policy:
    lines = rules.parse("policy.csv", text.encode())
    assert lines.problems == ()
    return Policy(lines.grants, lines.memberships, lines.bundles, "sha256:0")


def told(new: str, old: str = BASE) -> list[str]:
    return [str(change) for change in between(policy(old), policy(new))]


def test_a_policy_does_not_differ_from_itself():
    assert told(BASE) == []


def test_what_changes_no_answer_is_not_told():
    assert told(f"# reordered\n{''.join(reversed(BASE.splitlines(keepends=True)))}") == []
    assert told(f"{BASE}p, analyst, model_list, *, stream\n", f"{BASE}") == []


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("g, u:eve, operator", ["u:eve gains inference_chat:execute"]),
        ("g, u:eve, operator, surgery", ["u:eve (tenant none or surgery) gains inference_chat:execute"]),
        ("p, analyst, audit_log, read", ["u:ann gains audit_log:read", "role analyst gains audit_log:read"]),
        ("p, *, model_*, *, , deny", ["u:ann loses model_list:read", "role analyst loses model_list:read"]),
        (
            'p, auditor, audit_log, read, "hours(0, 6)", deny',
            ["role auditor changes audit_log:read from always to always, unless hours(0, 6)"],
        ),
        ("p, analyst, ops_health, read, hour < 8", [
            "u:ann gains ops_health:read if hour < 8",
            "role analyst gains ops_health:read if hour < 8",
        ]),
        ("g2, model_x, big\np, analyst, big, read", ["u:ann gains model_x:read", "role analyst gains model_x:read"]),
    ],
)  # fmt: skip
def test_a_new_line_is_told_as_what_it_gives_or_takes(line: str, changes: list[str]):
    assert told(f"{BASE}{line}\n") == changes


def test_a_removed_line_is_the_opposite_of_an_added_one():
    assert told(BASE, f"{BASE}g, u:eve, operator\n") == ["u:eve loses inference_chat:execute"]


def test_a_resource_that_joins_a_group_is_told_for_whom_a_rule_names_the_group():
    groups = f"{BASE}p, analyst, big, read\ng2, model_y, big\n"
    assert told(f"{groups}g2, model_x, big\n", groups) == [
        "u:ann gains model_x:read",
        "role analyst gains model_x:read",
    ]


def test_a_condition_that_changed_is_told_with_both_texts():
    old, new = (BASE + f"p, operator, model_list, read, {text}\n" for text in ("hour < 8", "hour < 9"))
    assert told(new, old) == [
        "u:dora changes model_list:read from if hour < 8 to if hour < 9",
        "u:olga changes model_list:read from if hour < 8 to if hour < 9",
        "role operator changes model_list:read from if hour < 8 to if hour < 9",
    ]


def test_what_no_rule_can_open_is_no_difference():
    assert told(f"{BASE}p, operator, engine_rpc, execute\n") == []


def test_a_role_that_nobody_has_is_told_as_a_role():
    (change,) = told(f"{BASE}p, ghost, inference_*, execute\n")
    assert change.startswith("role ghost gains inference_chat:execute, inference_completion:execute, ")


ROLES = ["ra", "rb", "rc"]
NAMES = ["u:a", "u:b"]
RESOURCES = ["*", "inference_*", "inference_chat", "model_*", "model_list", "audit_log", "big"]
CONDITIONS = ["", "hour < 8", "stream"]
grants = st.tuples(
    st.sampled_from(ROLES),
    st.sampled_from(RESOURCES),
    st.sampled_from(["read", "execute", "*"]),
    st.sampled_from(CONDITIONS),
    st.sampled_from(["allow", "deny"]),
).map(lambda fields: f"p, {', '.join(fields)}\n")
members = st.tuples(st.sampled_from(NAMES), st.sampled_from(ROLES), st.sampled_from(["", ", t1", ", t2"])).map(
    lambda fields: f"g, {fields[0]}, {fields[1]}{fields[2]}\n"
)
bundles = st.sampled_from(["g2, inference_chat, big\n", "g2, model_list, big\n", "g2, audit_log, big\n"])
policies = st.lists(st.one_of(grants, grants, members, members, bundles), min_size=1, max_size=8, unique=True)

ASKED = [
    questions.ask(name, request, words)
    for name in NAMES
    for request in ("inference_chat:execute", "model_list:read", "audit_log:read", "ops_health:read")
    for tenant in ([], ["tenant=t1"], ["tenant=t2"])
    for words in (tenant, [*tenant, "hour=3", "stream=true"], [*tenant, "hour=9", "stream=true"], [*tenant, "hour=3"])
]


def changed(one: list[str], start: int, count: int, insert: list[str]) -> list[str]:
    start %= len(one) + 1
    return [*one[:start], *insert, *one[start + count :]]


@settings(max_examples=60)
@given(policies, st.integers(0, 7), st.integers(0, 2), st.lists(st.one_of(grants, members, bundles), max_size=1))
def test_every_answer_that_changes_is_told(lines: list[str], start: int, count: int, insert: list[str]):
    old, new = policy("".join(lines)), policy("".join(changed(lines, start, count, insert)))
    changes = between(old, new)
    for question in ASKED:
        one, other = (each.decide(question.principal, question.access, question.attributes) for each in (old, new))
        if one.allowed != other.allowed:
            names = {question.request, question.request.replace("_log", "_*")}
            assert any(change.who == question.principal.name and names & {*change.accesses} for change in changes)
