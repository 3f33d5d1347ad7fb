"""The policy: default deny, the same answers as stock casbin, and refusal when anything is odd."""

import hashlib
import logging
from importlib import resources
from pathlib import Path

import casbin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.access import Access, Body, Risk
from deepseek_local.errors import PolicyError
from deepseek_local.policy.casbin_engine import Engine
from deepseek_local.policy.enforcer import Policy, load
from deepseek_local.policy.rules import Grant, Membership
from deepseek_local.profile.library import shipped_file

SEED = shipped_file("policies", "seed.csv")
DEMO = shipped_file("policies", "demo.csv")


def access(resource: str, action: str) -> Access:
    return Access("/route", resource, action, Risk.GUARDED, Body.NONE)


def write(tmp_path: Path, text: str, name: str = "policy.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_seed_gives_each_role_what_it_says(tmp_path: Path):
    users = write(tmp_path, "g, u:root, admin\ng, u:ann, analyst\ng, u:olga, operator\n")
    policy = load([SEED, users])
    table = {
        ("u:root", "engine_scale", "execute"): True,
        ("u:ann", "model_list", "read"): True,
        ("u:ann", "inference_chat", "execute"): False,
        ("u:olga", "inference_chat", "execute"): True,
        ("u:olga", "inference_chat", "read"): False,
        ("u:olga", "model_list", "read"): False,
        ("s:canary", "inference_chat", "execute"): True,
        ("s:canary", "inference_completion", "execute"): True,
        ("s:canary", "inference_embed", "execute"): False,
        ("u:nobody", "inference_chat", "execute"): False,
    }
    assert {key: policy.decide(key[0], access(key[1], key[2])).allowed for key in table} == table


def test_the_demo_user_chats_and_lists_models():
    policy = load([SEED, DEMO])
    assert policy.decide("u:demo", access("inference_chat", "execute")).rule == "p:operator/inference_*/execute"
    assert policy.decide("u:demo", access("model_list", "read")).rule == "p:analyst/model_*/read"
    assert policy.decide("u:demo", access("ops_metrics", "read")).rule == "default"


@pytest.mark.parametrize("subject", ["", "admin", "operator", "*", "u:", "u:ROOT", "p"])
def test_odd_subjects_are_refused(tmp_path: Path, subject: str):
    policy = load([SEED, write(tmp_path, "g, u:root, admin\n")])
    assert not policy.decide(subject, access("", "")).allowed
    assert not policy.decide(subject, access("inference_chat", "execute")).allowed


def test_a_policy_without_rules_is_refused(tmp_path: Path):
    with pytest.raises(PolicyError, match="policy is empty: casbin would allow everything to an empty subject"):
        load([write(tmp_path, "# nothing yet\n")])


def test_stock_casbin_would_allow_everything_to_an_empty_subject_without_rules():
    assert stock([], []).enforce("", "", "") is True


def test_a_policy_that_everybody_can_change_is_refused(tmp_path: Path):
    file = write(tmp_path, "g, u:root, admin\n")
    file.chmod(0o666)
    with pytest.raises(PolicyError) as caught:
        load([SEED, file])
    assert str(caught.value) == f"{file}: can be changed by every user of this host; run: chmod o-w {file}"
    file.chmod(0o664)
    assert load([SEED, file]).has_role("u:root")


def test_problems_of_all_files_are_told_together(tmp_path: Path):
    first, second = write(tmp_path, "p, admin, *\n", "a.csv"), write(tmp_path, "x, y\n", "b.csv")
    with pytest.raises(PolicyError) as caught:
        load([first, second, tmp_path / "missing.csv"])
    assert [Path(problem.file).name for problem in caught.value.problems] == ["missing.csv", "a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("p, admin, *, *\ng, alice, admin\n", 2, "user 'alice' has no namespace; write `u:alice`"),
        ("p, admin, *, *\ng, u:alice, amdin\n", 2, "role 'amdin' has no rule"),
        ("p, admin, *, *\np, admin, *, *\n", 2, "p:admin/*/* is already said at"),
        ("p, admin, *, *\ng, u:a, admin\ng, u:a, admin\n", 3, "g:u:a/admin is already said at"),
        ("p, a, *, *\np, b, *, *\ng, a, b\ng, b, a\n", 3, "roles go in a circle"),
        ("p, a, *, *\ng, a, a\n", 2, "roles go in a circle: a → a"),
    ],
)
def test_lines_that_cannot_be_meant_together_are_refused(tmp_path: Path, text: str, line: int, part: str):
    with pytest.raises(PolicyError) as caught:
        load([write(tmp_path, text)])
    (problem,) = caught.value.problems
    assert problem.line == line
    assert part in problem.message


def test_a_chain_of_roles_may_not_be_deeper_than_five(tmp_path: Path):
    links = "".join(f"g, r{n}, r{n + 1}\n" for n in range(4))
    assert load([write(tmp_path, f"p, r4, *, *\n{links}g, u:a, r0\n")]).decide("u:a", access("x", "read")).allowed
    with pytest.raises(PolicyError, match="reaches a role only through 6 lines"):
        load([write(tmp_path, f"p, r5, *, *\n{links}g, r4, r5\ng, u:a, r0\n")])


def test_the_digest_is_that_of_the_concatenated_files():
    assert load([SEED, DEMO]).digest == f"sha256:{hashlib.sha256(SEED.read_bytes() + DEMO.read_bytes()).hexdigest()}"


def test_an_exception_inside_casbin_is_a_refusal_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    policy = load([SEED, DEMO])

    def fail(*_: object) -> None:
        raise RuntimeError("matcher result should be bool")

    monkeypatch.setattr(Engine, "enforce", fail)
    verdict = policy.decide("u:demo", access("inference_chat", "execute"))
    assert (verdict.allowed, verdict.rule) == (False, "error")
    assert "the policy engine failed" in caplog.text


def test_casbin_logs_no_values_of_a_request(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    policy = load([SEED, DEMO])
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).disabled = False
    assert not policy.decide("u:demo", access("ops_metrics", "read")).allowed
    assert "ops_metrics" not in caplog.text


ROLES = ["ra", "rb", "rc", "rd"]
PRINCIPALS = ["u:alice", "u:bob", "s:batch", "u:ghost"]
RESOURCES = ["inference_chat", "inference_", "inference", "model_list", "model_x", "audit_log", "inference_chat_x", "*"]
PATTERNS = ["*", "inference_*", "inference_chat", "inference_chat*", "model_*", "m*", "audit_log", "inference"]
ACTIONS = ["read", "execute", "write"]

grants = st.lists(
    st.tuples(st.sampled_from(ROLES), st.sampled_from(PATTERNS), st.sampled_from([*ACTIONS, "*"])),
    min_size=1,
    max_size=12,
    unique=True,
)
# A role reaches only later roles, so that there is no circle.
links = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(PRINCIPALS[:3]), st.sampled_from(ROLES)),
        st.sampled_from([(low, high) for index, low in enumerate(ROLES) for high in ROLES[index + 1 :]]),
    ),
    max_size=10,
    unique=True,
)


def stock(rules: list[tuple[str, str, str]], members: list[tuple[str, str]]) -> casbin.Enforcer:
    text = resources.files("deepseek_local.policy").joinpath("model.conf").read_text()
    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=text))
    enforcer.add_policies([list(rule) for rule in rules])
    enforcer.add_grouping_policies([list(member) for member in members])
    return enforcer


@given(grants, links)
def test_every_answer_is_that_of_stock_casbin(rules: list[tuple[str, str, str]], members: list[tuple[str, str]]):
    policy = Policy(
        [Grant(*rule, "f", 1) for rule in rules], [Membership(*member, "f", 1) for member in members], digest="sha256:0"
    )
    oracle = stock(rules, members)
    for principal in PRINCIPALS:
        for resource in RESOURCES:
            for action in ACTIONS:
                first, again = (policy.decide(principal, access(resource, action)) for _ in range(2))
                assert first == again
                assert first.allowed == oracle.enforce(principal, resource, action), (principal, resource, action)
