"""Explanations: the rule that decided, the values its condition saw, and changes that really change the answer."""

import re

import pytest

from deepseek_local.policy import questions, rules
from deepseek_local.policy.enforcer import Policy
from deepseek_local.policy.explain import Explanation, explain

POLICY = """
p, admin, *, *
p, operator, inference_*, execute
p, operator, inference_*, execute, "not hours(8, 20)", deny
p, analyst, model_*, read
p, trainee, inference_*, execute, "model(""small-*"") and max_tokens <= 100"
p, doctor, inference_chat, execute, "tenant == ""radiology"" and auth_strength >= 2"
p, guest, inference_chat, execute, not stream
p, guest, inference_chat, execute, cidr("10.0.0.0/8")
p, *, engine_fault, *, , deny
g, u:root, admin
g, u:olga, operator
g, u:tim, trainee
g, u:dora, doctor, radiology
g, u:dora, doctor, surgery
g, u:gus, guest
"""


def explained(name: str, request: str, *words: str, text: str = POLICY) -> Explanation:
    lines = rules.parse("policy.csv", text.encode())
    assert lines.problems == ()
    policy = Policy(lines.grants, lines.memberships, lines.bundles, "sha256:0")
    return explain(policy, questions.ask(name, request, words))


CHAT = "POST /v1/chat/completions"


def test_the_deciding_rule_is_told_with_what_the_conditions_saw():
    found = explained("u:olga", CHAT, "hour=22")
    assert (found.allowed, found.rule) == (False, "p:operator/inference_*/execute/deny if not hours(8, 20)")
    assert [(each.line, each.effect, each.counts, each.values) for each in found.considered] == [
        (3, "allow", True, {}),
        (4, "deny", True, {"hour": 22}),
    ]
    assert found.roles == ("operator",)


def test_an_hour_that_would_change_the_answer_is_told_as_a_range():
    assert explained("u:olga", CHAT, "hour=22").changes == ("with hour 8 to 19 the answer would be allow",)
    assert explained("u:olga", CHAT, "hour=12").changes == (
        "with hour at most 7 or at least 20 the answer would be deny",
    )


def test_an_attribute_that_the_request_lacks_is_told_as_lacking():
    found = explained("u:olga", CHAT)
    assert found.considered[1].values == {"hour": None}
    assert found.considered[1].counts
    assert found.changes == ("with hour 8 to 19 the answer would be allow",)


def test_attributes_that_are_only_enough_together_are_told_together():
    assert explained("u:tim", CHAT).changes[0] == "with max_tokens 0 and model small-* the answer would be allow"
    assert explained("u:tim", CHAT, "max_tokens=100").changes[0] == "with model small-* the answer would be allow"
    assert explained("u:tim", CHAT, "model=small-1", "max_tokens=101").changes[0] == (
        "with max_tokens at most 100 the answer would be allow"
    )


def test_a_stronger_credential_is_told_together_with_what_the_request_lacks():
    text = """
p, doctor, inference_chat, execute, "auth_strength >= 2 and hours(6, 22)"
p, night, inference_chat, execute, "model('a') and stream and data_class == 'x' and purpose == 'y'"
g, u:ann, doctor
g, u:ann, night
"""
    assert explained("u:ann", CHAT, text=text).changes[0] == (
        "with auth_strength 2 and hour 6 the answer would be allow"
    )
    assert explained("u:ann", CHAT, "hour=23", text=text).changes[0] == (
        "with auth_strength 2 and hour 6 the answer would be allow"
    )


def test_roles_that_would_be_enough_are_told_the_smallest_first():
    changes = explained("u:nobody", CHAT, "hour=9", "stream=false").changes
    assert [re.search(r"the role (\w+)", change)[1] for change in changes] == ["guest", "operator", "admin"]
    assert changes[1] == (
        "with the role operator the answer would be allow, by p:operator/inference_*/execute: add `g, u:nobody, operator`"
    )


def test_the_role_of_the_canary_is_recommended_to_nobody():
    text = f"{POLICY}p, canary, inference_chat, execute\ng, s:canary, canary\n"
    changes = explained("u:nobody", CHAT, "hour=9", "stream=false", text=text).changes
    assert changes == explained("u:nobody", CHAT, "hour=9", "stream=false").changes


def test_tenant_and_strength_of_the_credential_are_tried_as_well():
    assert explained("u:dora", CHAT, "auth_strength=2").changes[0] == "with tenant radiology the answer would be allow"
    found = explained("u:dora", CHAT, "tenant=radiology")
    assert (found.tenant, found.roles) == ("radiology", ("doctor",))
    assert found.changes[0] == "with auth_strength at least 2 the answer would be allow"


def test_every_way_out_is_told():
    changes = explained("u:gus", CHAT, "stream=true", "ip=192.0.2.1").changes
    assert changes[:2] == (
        "with ip such as 10.0.0.0 the answer would be allow",
        "with stream false the answer would be allow",
    )


def test_what_nobody_may_is_said_to_need_another_rule():
    found = explained("u:root", "engine_fault:execute")
    assert found.changes == ("no attribute and no further role changes it: change policy.csv:10",)
    text = "p, operator, inference_*, execute\ng, u:olga, operator\n"
    assert explained("u:olga", "GET /v1/models", text=text).changes == (
        "no role of this policy may do this: add a rule such as `p, ROLE, model_list, read`",
    )


def test_what_is_always_allowed_is_said_to_hang_on_the_role():
    assert explained("u:root", "GET /v1/models").changes == (
        "no attribute changes it: take the role admin away, or change policy.csv:2",
    )


@pytest.mark.parametrize(
    ("route", "allowed", "reason"),
    [("GET /health", True, "open to everybody"), ("POST /collective_rpc", False, "no rule can open this route")],
)
def test_routes_that_no_policy_decides_are_told_as_such(route: str, allowed: bool, reason: str):  # noqa: FBT001 -- a row
    found = explained("u:root", route)
    assert (found.allowed, found.rule) == (allowed, "route")
    assert reason in found.changes[0]


QUESTIONS = [
    (name, request, words)
    for name in ("u:root", "u:olga", "u:tim", "u:dora", "u:gus", "u:nobody")
    for request in (CHAT, "GET /v1/models", "engine_fault:read")
    for words in ((), ("hour=22",), ("stream=true", "max_tokens=5", "model=big"))
]


@pytest.mark.parametrize(("name", "request_text", "words"), QUESTIONS)
def test_the_explained_answer_is_the_policys_own_and_repeats(name: str, request_text: str, words: tuple[str, ...]):
    found = explained(name, request_text, *words)
    assert found == explained(name, request_text, *words)
    assert found.changes
    assert found.allowed == (any(each.counts for each in found.considered) and not any(
        each.counts and each.effect == "deny" for each in found.considered
    ))  # fmt: skip
