"""The linter: each finding has a line that causes it and a near one that does not."""

import re
from pathlib import Path

import pytest

from deepseek_local.policy import lint, rules
from deepseek_local.profile.library import shipped_file

SOUND = "p, operator, inference_*, execute\ng, u:alice, operator\n"


def findings(text: str, base: str = SOUND) -> list[str]:
    lines = rules.parse("policy.csv", (base + text).encode())
    assert lines.problems == ()
    return [str(finding) for finding in lint.findings(lines.grants, lines.memberships, lines.bundles)]


def test_a_sound_policy_has_no_findings():
    assert findings("") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p, operator, model_*, read", None),
        ("p, operator, audit_log, read", None),
        ("p, operator, *, delete", None),
        ("p, operator, inferense_*, execute", "warning [policy.unknown-resource]: resource 'inferense_*'"),
        ("p, operator, inferense_*, execute, , deny", "error [policy.unknown-resource]: resource 'inferense_*'"),
        ("p, operator, ops_metrics, write", "warning [policy.unknown-action]: nothing that 'ops_metrics' stands for has"),
        ("p, operator, audit_*, execute, , deny", "error [policy.unknown-action]: nothing that 'audit_*'"),
        ("p, operator, engine_rpc, execute", "warning [policy.closed]: no rule can open 'engine_rpc'"),
        ("p, operator, engine_rpc, execute, , deny", None),
        ("p, ghost, model_*, read", "warning [policy.unreachable]: nobody has the role 'ghost'"),
        ("p, *, model_*, read, , deny", None),
        ("p, operator, inference_chat, execute", "warning [policy.shadowed]: p:operator/inference_chat/execute adds"),
        ('p, operator, inference_chat, execute, "hours(8, 20)"', "warning [policy.shadowed]"),
        ("p, operator, inference_chat, read", "warning [policy.unknown-action]"),
        ("p, operator, inference_*, *, hour < 8", None),
        ("p, operator, inference_embed, execute, , deny", None),
        ('p, operator, inference_*, execute, "not hours(8, 20)", deny', None),
        ('p, operator, model_*, read, "hour < 8 and hour > 20"', "warning [policy.never-true]: condition 'hour < 8"),
        ('p, operator, model_*, read, "hour < 8 and hour > 20", deny', "error [policy.never-true]"),
        ('p, operator, model_*, read, "hour < 8 or hour > 20"', None),
        ("g, u:operator, operator", None),
        ("p, analyst, model_*, read\ng, u:operator, analyst", "warning [policy.called-like-a-role]: 'u:operator' is called like the role"),
        ("g2, inference_chat, talk\np, operator, talk, execute, , deny", None),
        ("g2, inference_chart, talk\np, operator, talk, execute, , deny", "[policy.unknown-resource]"),
    ],
)  # fmt: skip
def test_a_line_is_told_with_what_is_wrong_with_it(text: str, told: str | None):
    found = findings(text)
    if told is None:
        assert found == []
    else:
        assert found[0].startswith(("policy.csv:3: ", "policy.csv:4: "))
        assert told in found[0]


@pytest.mark.parametrize("deny", ["p, operator, *, *, , deny", "p, *, inference_*, execute, , deny"])
def test_an_allow_that_a_deny_always_overrides_is_told_at_the_allow(deny: str):
    assert findings(deny)[-1].startswith(
        "policy.csv:1: warning [policy.overridden]: p:operator/inference_*/execute can never allow anything: p:"
    )


def test_a_deny_with_the_same_condition_overrides_too():
    found = findings('p, operator, model_*, read, "hour < 8"\np, operator, *, read, "hour < 8", deny')
    assert [finding.split(": ")[:2] for finding in found] == [["policy.csv:3", "warning [policy.overridden]"]]


def test_a_rule_for_a_resource_is_shadowed_by_one_for_its_group():
    groups = "g2, model_deepseek-67b, big\ng2, big, all\np, operator, all, read\n"
    (finding,) = findings("p, operator, model_deepseek-67b, read\n", SOUND + groups)
    assert "adds nothing to p:operator/all/read at policy.csv:5" in finding


def test_a_role_is_reached_through_other_roles():
    assert findings("p, analyst, model_*, read\ng, operator, analyst\n") == []


def test_findings_come_in_the_order_of_the_lines():
    places = [
        finding.split(": ")[0] for finding in findings("p, ghost, x, read\np, operator, y, read\ng, u:operator, ghost")
    ]
    assert places == ["policy.csv:3", "policy.csv:4", "policy.csv:5"]


def test_the_shipped_roles_lack_nothing_but_members():
    seed = rules.parse("seed.csv", shipped_file("policies", "seed.csv").read_bytes())
    found = lint.findings(seed.grants, seed.memberships, seed.bundles)
    assert {finding.id for finding in found} == {"policy.unreachable"}


def test_five_thousand_rules_are_looked_at_without_a_pairwise_comparison():
    many = "".join(f"p, operator, model_m{number}, read\n" for number in range(4_990))
    assert findings(many) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_finding_is_explained_on_the_reference_page(language: str):
    known = set(re.findall(r'"(policy\.[a-z-]+)"', Path(lint.__file__).read_text("utf-8")))
    page = Path(__file__).parents[3] / "docs" / language / "reference" / "policy.md"
    assert known == set(re.findall(r"^\| `(policy\.[a-z-]+)` \|", page.read_text("utf-8"), re.MULTILINE))
