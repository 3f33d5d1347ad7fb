"""The policy: default deny, deny wins, tenants, narrower credentials, and refusal when anything is odd."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deepseek_local.access import Access, Attribute, Principal, Strength
from deepseek_local.errors import PolicyError
from deepseek_local.policy import enforcer
from deepseek_local.policy.casbin_engine import Engine
from deepseek_local.policy.enforcer import Policy, load
from deepseek_local.policy.rules import Membership
from deepseek_local.profile.library import shipped_file

SEED = shipped_file("policies", "seed.csv")
DEMO = shipped_file("policies", "demo.csv")

Write = Callable[..., Path]
Ask = Callable[..., str]


@pytest.fixture
def ask(access, who) -> Ask:
    """Return the rule that decides, which must be the same when asked again."""

    def ask(
        policy: Policy,
        name: str,
        request: str = "x:read",
        attributes: Mapping[str, Attribute] | None = None,
        **more: object,
    ) -> str:
        principal, wanted = who(name, **more), access(*request.split(":"))
        verdicts = [policy.decide(principal, wanted, attributes or {}) for _ in range(2)]
        assert verdicts[0] == verdicts[1]
        assert policy.may(principal, wanted) or not verdicts[0].allowed
        return ("allow " if verdicts[0].allowed else "deny ") + verdicts[0].rule

    return ask


def test_the_seed_gives_each_role_what_it_says(write: Write, access, who):
    users = write("g, u:root, admin\ng, u:ann, analyst\ng, u:olga, operator\n")
    policy = load([SEED, users], ["u:root"])
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
    assert {key: policy.decide(who(key[0]), access(key[1], key[2]), {}).allowed for key in table} == table


def test_the_demo_user_chats_and_lists_models(ask: Ask):
    policy = load([SEED, DEMO])
    assert ask(policy, "u:demo", "inference_chat:execute") == "allow p:operator/inference_*/execute"
    assert ask(policy, "u:demo", "model_list:read") == "allow p:analyst/model_*/read"
    assert ask(policy, "u:demo", "ops_metrics:read") == "deny default"


@pytest.mark.parametrize("subject", ["", "admin", "operator", "*", "u:", "u:ROOT", "p"])
def test_odd_subjects_are_refused(write: Write, ask: Ask, subject: str):
    policy = load([SEED, write("g, u:root, admin\ng, operator, analyst\n")], ["u:root"])
    assert ask(policy, subject, ":") == "deny default"
    assert ask(policy, subject, "inference_chat:execute") == "deny default"
    assert ask(policy, subject, "model_list:read") == "deny default"


def test_a_rule_that_denies_wins_wherever_it_stands(write: Write, ask: Ask):
    policy = load([write("p, r, x, read\np, r, *, *, , deny\np, q, x, read\ng, u:a, r\ng, u:a, q\ng, u:b, q\n")])
    assert ask(policy, "u:a") == "deny p:r/*/*/deny"
    assert ask(policy, "u:b") == "allow p:q/x/read"


def test_what_is_denied_to_everybody_is_denied_to_whoever_has_all_rights(write: Write, ask: Ask):
    policy = load([write("p, r, x_*, *\np, *, x_rpc, *, , deny\ng, u:a, r\n")])
    assert ask(policy, "u:a", "x_rpc:execute") == "deny p:*/x_rpc/*/deny"
    assert ask(policy, "u:nobody", "x_rpc:execute") == "deny p:*/x_rpc/*/deny"
    assert ask(policy, "u:a", "x_y:execute") == "allow p:r/x_*/*"


def test_the_first_rule_of_the_policy_that_decides_is_named(write: Write, ask: Ask):
    text = "p, r, x, read, hour < 9\np, r, *, read, hour < 12\np, r, x, *\np, r, x, read, hour == 5, deny\np, r, x, *, hour < 6, deny\ng, u:a, r\n"
    policy = load([write(text)])
    assert ask(policy, "u:a", attributes={"hour": 5}) == "deny p:r/x/read/deny if hour == 5"
    assert ask(policy, "u:a", attributes={"hour": 4}) == "deny p:r/x/*/deny if hour < 6"
    assert ask(policy, "u:a", attributes={"hour": 8}) == "allow p:r/x/*"
    without = load([write(text.replace("p, r, x, *\n", ""))])
    assert ask(without, "u:a", attributes={"hour": 8}) == "allow p:r/x/read if hour < 9"
    assert ask(without, "u:a", attributes={"hour": 9}) == "allow p:r/*/read if hour < 12"
    assert ask(without, "u:a", attributes={"hour": 12}) == "deny default"
    assert ask(without, "u:a") == "deny p:r/x/read/deny if hour == 5"


def test_a_group_of_resources_is_meant_by_its_name_only(write: Write, ask: Ask):
    policy = load([write("p, r, big, read\np, r, big_*, write\ng2, x, big_ones\ng2, big_ones, big\ng, u:a, r\n")])
    assert ask(policy, "u:a", "x:read") == "allow p:r/big/read"
    assert ask(policy, "u:a", "x:write") == "deny default"
    assert ask(policy, "u:a", "y:read") == "deny default"


@pytest.mark.parametrize(
    ("tenant", "answers"),
    [
        (None, {"u:one": "allow", "u:two": "deny", "u:any": "allow"}),
        ("acme", {"u:one": "allow", "u:two": "allow", "u:any": "allow"}),
        ("beta", {"u:one": "deny", "u:two": "allow", "u:any": "allow"}),
        ("gone", {"u:one": "deny", "u:two": "deny", "u:any": "allow"}),
        ("", {"u:one": "deny", "u:two": "deny", "u:any": "allow"}),
    ],
)
def test_a_membership_counts_for_its_tenant(write: Write, ask: Ask, tenant: str | None, answers: dict[str, str]):
    text = "p, r, x, read\ng, u:one, r, acme\ng, u:two, r, acme\ng, u:two, r, beta\ng, u:any, r\n"
    policy = load([write(text)])
    assert {name: ask(policy, name, tenant=tenant).split()[0] for name in answers} == answers


def test_roles_have_roles_for_a_tenant(write: Write, ask: Ask, who):
    policy = load([write("p, low, x, read\ng, high, low, acme\ng, u:a, high\n")])
    assert ask(policy, "u:a", tenant="acme") == "allow p:low/x/read"
    assert ask(policy, "u:a") == "deny default"
    assert policy.roles_of(who("u:a", tenant="acme")) == {"high", "low"}
    assert policy.roles_of(who("u:a")) == {"high"}


def test_the_verdict_tells_tenant_and_roles(write: Write, access, who):
    policy = load([write("p, r, x, read\np, q, y, read\ng, u:a, r, acme\ng, u:a, q\n")])
    for principal in (who("u:a"), who("u:a", roles=frozenset({"q"}))):
        verdict = policy.decide(principal, access("x", "read"), {})
        assert (verdict.tenant, verdict.roles, verdict.policy) == ("acme", {"r", "q"}, policy.digest)
    stranger = policy.decide(who("u:b", tenant="acme"), access("x", "read"), {})
    assert (stranger.tenant, stranger.roles) == ("acme", frozenset())


def test_a_condition_sees_the_tenant_and_the_strength_of_the_principal_only(write: Write, ask: Ask):
    policy = load([write("p, r, x, read, tenant == 'acme'\np, r, y, read, auth_strength >= 2\ng, u:a, r\n")])
    assert ask(policy, "u:a", "x:read", {"tenant": "acme"}) == "deny default"
    assert ask(policy, "u:a", "x:read", {"tenant": "beta"}, tenant="acme").startswith("allow")
    assert ask(policy, "u:a", "y:read", {"auth_strength": 3}) == "deny default"
    assert ask(policy, "u:a", "y:read", {"auth_strength": 1}, strength=Strength.JWT).startswith("allow")


def test_a_credential_with_fewer_roles_is_allowed_less(write: Write, ask: Ask):
    policy = load([write("p, r, x, read\np, q, y, read\np, low, z, read\ng, q, low\ng, u:a, r\ng, u:a, q\n")])
    narrow = frozenset({"q", "foreign"})
    assert ask(policy, "u:a", "x:read", roles=narrow) == "deny default"
    assert ask(policy, "u:a", "y:read", roles=narrow) == "allow p:q/y/read"
    assert ask(policy, "u:a", "z:read", roles=narrow) == "allow p:low/z/read"
    assert ask(policy, "u:a", "y:read", roles=frozenset()) == "deny default"


def test_a_credential_does_not_carry_what_its_owner_has_lost(write: Write, ask: Ask):
    policy = load([write("p, r, x, read\np, q, y, read\ng, u:a, q\n")])
    assert ask(policy, "u:a", "x:read", roles=frozenset({"r"})) == "deny default"


def test_leaving_out_a_role_does_not_escape_what_it_denies(write: Write, ask: Ask):
    policy = load([write("p, staff, x, read\np, intern, x, *, , deny\ng, u:a, staff\ng, u:a, intern\n")])
    assert ask(policy, "u:a", roles=frozenset({"staff"})) == "deny p:intern/x/*/deny"


@pytest.mark.parametrize(
    ("rules", "possible"),
    [
        ("p, r, x, read, hour == 3", True),
        ("p, r, x, read, hour == 3\np, r, x, read, hour == 3, deny", True),
        ("p, r, x, read\np, r, x, read, , deny", False),
        ("p, r, y, read\np, r, x, read, hour == 3, deny", False),
        ("p, other, x, read\np, r, y, read", False),
    ],
)
def test_a_request_that_nothing_can_allow_is_known_before_its_body(
    write: Write, access, who, rules: str, *, possible: bool
):
    assert load([write(f"{rules}\ng, u:a, r\n")]).may(who("u:a"), access("x", "read")) is possible


def test_more_members_have_more_rights_and_others_the_same(write: Write, ask: Ask):
    policy = load([write("p, r, x, read\np, q, y, read\ng, u:b, r, acme\n")])
    more = policy.with_more([Membership("u:a", "r", None, "f", 1), Membership("u:b", "q", "beta", "f", 2)])
    assert ask(policy, "u:a") == "deny default"
    assert ask(more, "u:a") == "allow p:r/x/read"
    # Still for the tenant that the policy names, not lost between two.
    assert ask(more, "u:b") == "allow p:r/x/read"
    assert ask(more, "u:b", "y:read") == "deny default"
    assert ask(more, "u:b", "y:read", tenant="beta") == "allow p:q/y/read"
    assert more.digest == policy.digest


def test_a_policy_without_rules_is_refused(write: Write):
    with pytest.raises(PolicyError, match="policy is empty: casbin would allow everything to an empty subject"):
        load([write("# nothing yet\n")])


def test_a_policy_that_everybody_can_change_is_refused(write: Write):
    file = write("g, u:ann, analyst\n")
    file.chmod(0o666)
    with pytest.raises(PolicyError) as caught:
        load([SEED, file])
    assert str(caught.value) == f"{file}: can be changed by every user of this host; run: chmod o-w {file}"
    file.chmod(0o664)
    assert load([SEED, file]).has_role("u:ann")


def test_problems_of_all_files_are_told_together(write: Write, tmp_path: Path):
    first, second = write("p, admin, *\n", "a.csv"), write("x, y\n", "b.csv")
    with pytest.raises(PolicyError) as caught:
        load([first, second, tmp_path / "missing.csv"])
    assert [Path(problem.file).name for problem in caught.value.problems] == ["missing.csv", "a.csv", "b.csv"]


def test_the_digest_is_that_of_the_concatenated_files():
    assert load([SEED, DEMO]).digest == f"sha256:{hashlib.sha256(SEED.read_bytes() + DEMO.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("answer", [RuntimeError("matcher result should be bool"), (True, None), (False, "x")])
def test_a_failure_inside_casbin_is_a_refusal_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, access, who, answer: object
):
    policy = load([SEED, DEMO])

    def fail(*_: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "decide", fail)
        verdict = policy.decide(who("u:demo"), access("inference_chat", "execute"), {})
        assert not policy.may(who("u:demo"), access("inference_chat", "execute"))
    assert (verdict.allowed, verdict.rule) == (False, "error")
    assert "the policy engine failed" in caplog.text
    assert policy.decide(who("u:demo"), access("inference_chat", "execute"), {}).allowed


def test_a_casbin_that_is_switched_off_allows_nothing(ask: Ask):
    policy = load([SEED, DEMO])
    policy._engine._enforcer.enable_enforce(enabled=False)
    assert ask(policy, "u:demo", "inference_chat:execute") == "deny error"


def test_an_attribute_that_cannot_be_compared_is_a_refusal(write: Write, ask: Ask):
    class Odd(int):
        def __lt__(self, other: object) -> bool:
            raise TypeError

    policy = load([write("p, r, x, read, hour < 9\ng, u:a, r\n")])
    assert ask(policy, "u:a", attributes={"hour": Odd(3)}) == "deny default"


def test_casbin_logs_no_values_of_a_request(caplog: pytest.LogCaptureFixture, ask: Ask):
    caplog.set_level(logging.DEBUG)
    policy = load([SEED, DEMO])
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).disabled = False
    assert ask(policy, "u:demo", "ops_metrics:read") == "deny default"
    assert ask(policy, "u:demo", "inference_chat:execute").startswith("allow")
    assert "inference_chat" not in caplog.text
    assert "ops_metrics" not in caplog.text


def test_remembered_questions_are_bounded(monkeypatch: pytest.MonkeyPatch, access: Callable[..., Access], who):
    monkeypatch.setattr(enforcer, "MAXIMUM_QUESTIONS", 10)
    policy = load([SEED, DEMO])
    demo: Principal = who("u:demo")
    for number in range(50):
        assert policy.decide(demo, access(f"inference_{number}", "execute"), {}).allowed
        assert not policy.decide(who(f"u:stranger{number}"), access("inference_chat", "execute"), {}).allowed
        assert policy.roles_of(who("u:demo", tenant=f"tenant{number}")) == {"operator", "analyst"}
        assert len(policy._questions) <= 10
    assert all(key[0] == "u:demo" for key in policy._questions)
    assert len(policy._reached) == 1


def test_a_line_that_is_still_being_written_is_no_rule(write, access, who):
    lines = "p, admin, *, *\ng, u:root, admin\n"
    deny = "p, admin, audit_*, *, , deny\n"
    assert not load([write(lines + deny)], ["u:root"]).decide(who("u:root"), access("audit_log", "read"), {}).allowed
    for length in range(1, len(deny)):
        with pytest.raises(PolicyError, match=r"policy.csv:3: .*the last line does not end"):
            load([write(lines + deny[:length])], ["u:root"])
