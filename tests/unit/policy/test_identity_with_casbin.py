"""
Every answer is the one of a stock casbin that knows all rules: 100,000 questions to some hundred policies, all found by hypothesis.

The oracle shares nothing with the code under test but the model: casbin's own role manager, matcher and adapter of domains, the roles of
a credential from casbin's own account of them, and conditions evaluated by Python itself.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from ipaddress import ip_address, ip_network
from random import Random
from types import CodeType

import casbin
import pytest
from casbin.util import key_match_func
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_local.access import Access, Attribute, Body, Principal, Risk, Strength
from deepseek_local.policy.enforcer import Policy
from deepseek_local.policy.rules import Bundle, Grant, Membership

POLICIES = 625
QUESTIONS = 160

MODEL = resources.files("deepseek_local.policy").joinpath("model.conf").read_text()
ROLES = ["ra", "rb", "rc"]
PRINCIPALS = ["u:alice", "u:bob", "s:batch"]
TENANTS = [None, None, "acme", "beta", "gone"]
CREDENTIALS = [None, None, None, frozenset({"ra"}), frozenset({"rb", "rx"}), frozenset({"ra", "rc"}), frozenset[str]()]
RESOURCES = ["inference_chat", "inference_chat", "inference_", "inference", "model_x", "audit_log", "big", "*"]
GROUPS = [("model_x", "big"), ("inference_chat", "big"), ("big", "all"), ("audit_log", "all")]
PATTERNS = [
    "*",
    "inference_*",
    "inference_chat",
    "inference_chat*",
    "model_*",
    "audit_log",
    "inference",
    "big",
    "all",
    "b*",
]
ACTIONS = ["read", "execute"]
VALUES: dict[str, list[Attribute | None]] = {
    "model": ["m-1", "m-1", "m-2", "m-2", "other", None],
    "hour": [0, 5, 8, 8, 12, 23, 24, None],
    "weekday": ["mon", "mon", "wed", "sat", "sun", "Monday", None],
    "ip": ["10.1.2.3", "10.1.2.3", "192.168.0.1", "192.168.0.1", "unix", None],
    "max_tokens": [1, 100, 4096, 5000, True, None],
    "stream": [True, True, False, False, 1, None],
    "tenant": ["acme", None],
}
ATOMS = [
    "True",
    "stream",
    "hour < 8",
    "8 <= hour <= 20",
    "max_tokens <= 4096",
    "weekday != 'sun'",
    "tenant == 'acme'",
    "tenant in ('acme', 'beta')",
    "auth_strength >= 2",
    "cidr('10.0.0.0/8')",
    "hours(22, 6)",
    "weekdays('sat', 'mon')",
    "model('m-*')",
    "model('m-1', 'other')",
]

conditions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=3,
)
allows = st.tuples(
    st.sampled_from(ROLES),
    st.sampled_from(PATTERNS),
    st.sampled_from(["*", *ACTIONS]),
    st.one_of(st.just(""), conditions),
    st.just("allow"),
)
denies = st.tuples(
    st.sampled_from([*ROLES, "*"]),
    st.sampled_from(PATTERNS[1:]),
    st.sampled_from([*ACTIONS, "*"]),
    st.one_of(conditions, conditions, st.just("")),
    st.just("deny"),
)
rules = st.lists(st.one_of(allows, allows, allows, denies), min_size=3, max_size=6, unique=True)
# A role reaches only later roles, so that there is no circle.
links = st.tuples(
    st.one_of(
        st.tuples(st.sampled_from(PRINCIPALS), st.sampled_from(ROLES)),
        st.sampled_from([(low, high) for index, low in enumerate(ROLES) for high in ROLES[index + 1 :]]),
    ),
    st.sampled_from([None, None, None, "acme", "beta"]),
)
own = st.tuples(
    *[st.tuples(st.tuples(st.just(name), st.sampled_from(ROLES)), st.just(None)) for name in PRINCIPALS[:2]]
)
members = st.builds(lambda own, more: list(dict.fromkeys((*own, *more))), own, st.lists(links, min_size=1, max_size=6))
groups = st.lists(st.sampled_from(GROUPS), max_size=4, unique=True)

Link = tuple[tuple[str, str], str | None]
Rule = tuple[str, str, str, str, str]


class Oracle:
    """Stock casbin with all rules."""

    def __init__(self, rules: list[Rule], members: list[Link], groups: list[tuple[str, str]]) -> None:
        self._members = members
        self._casbin = casbin.Enforcer(casbin.Enforcer.new_model(text=MODEL))
        self._casbin.add_function("cond", counts)
        self._casbin.add_named_domain_matching_func("g", key_match_func)
        self._casbin.add_policies([list(rule) for rule in rules])
        self._casbin.add_grouping_policies([[*pair, tenant or "*"] for pair, tenant in members])
        self._casbin.add_named_grouping_policies("g2", [list(pair) for pair in groups])

    def allows(self, who: Principal, resource: str, action: str, attributes: Mapping[str, Attribute]) -> bool:
        tenant = who.tenant
        if tenant is None:
            named = {line for (member, _), line in self._members if member == who.name and line}
            tenant = named.pop() if len(named) == 1 else None
        domain = tenant or ""
        held = set(self._casbin.get_implicit_roles_for_user(who.name, domain))
        carried = held
        if who.roles is not None:
            named = held & who.roles
            carried = named.union(*(self._casbin.get_implicit_roles_for_user(role, domain) for role in named))
        request = {**attributes, "tenant": tenant, "auth_strength": int(who.strength)}
        return self._casbin.enforce(who.name, domain, carried, resource, action, request)


CALLS = {"cidr": "ip", "hours": "hour", "weekdays": "weekday", "model": "model"}
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@cache
def understood(text: str) -> tuple[set[str], CodeType | None]:
    words = re.findall(r"[a-z_]+", re.sub("'[^']*'", "", text))
    names = {CALLS.get(word, word) for word in words} & {*VALUES, "auth_strength"}
    return names, compile(text, "condition", "eval") if text else None


def counts(request: Mapping[str, Attribute | None], text: str, effect: str) -> bool:
    names, code = understood(text)
    known = {name: request[name] for name in names if is_real(name, request.get(name))}
    if names - set(known):
        return effect == "deny"
    calls = {
        "cidr": lambda network: ip_address(known["ip"]) in ip_network(network),
        "hours": lambda first, end: (known["hour"] - first) % 24 < (end - first) % 24,
        "weekdays": lambda first, last: days_after(first, known["weekday"]) <= days_after(first, last),
        "model": lambda *names: any(
            known["model"].startswith(name[:-1]) if name[-1] == "*" else known["model"] == name for name in names
        ),
    }
    return code is None or bool(eval(code, {}, {**known, **calls}))  # noqa: S307  the texts stand above


def days_after(first: str, day: str) -> int:
    return (DAYS.index(day) - DAYS.index(first)) % 7


def is_real(name: str, value: Attribute | None) -> bool:
    unreal = {"hour": 24, "weekday": "Monday", "ip": "unix"}
    return (
        value is not None
        and unreal.get(name) != value
        and not (name == "max_tokens" and value is True)
        and not (name == "stream" and value is not True and value is not False)
    )


def principal(random: Random) -> Principal:
    tenant, roles = random.choice(TENANTS), random.choice(CREDENTIALS)
    name = "u:ghost" if random.random() < 0.02 else random.choice(PRINCIPALS)
    return Principal(name, "token", "kid", tenant, roles, random.choice(list(Strength)))


def anything(random: Random) -> tuple[str, str]:
    return random.choice(RESOURCES), random.choice(ACTIONS)


def meant(rule: Rule, random: Random) -> tuple[str, str]:
    _, pattern, action, *_ = rule
    members = {"big": "model_x", "all": "audit_log", "b*": "big", "model_*": "model_x", "audit_log": "audit_log"}
    return members.get(pattern, "inference_chat"), random.choice(ACTIONS) if action == "*" else action


@pytest.mark.timeout(900)  # half a minute of a processor, and other things may run beside it
@settings(max_examples=POLICIES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rules, members, groups, st.integers(0, 2**32))
def test_every_answer_is_that_of_stock_casbin(
    rules: list[Rule], members: list[Link], groups: list[tuple[str, str]], seed: int
):
    policy = Policy(
        [Grant(*rule, "f", 1) for rule in rules],
        [Membership(*pair, tenant, "f", 1) for pair, tenant in members],
        [Bundle(*pair, "f", 1) for pair in groups],
        digest="sha256:0",
    )
    oracle = Oracle(rules, members, groups)
    random = Random(seed)  # noqa: S311  chooses questions, no secrets
    for _ in range(QUESTIONS):
        who = principal(random)
        resource, action = meant(random.choice(rules), random) if random.random() < 0.7 else anything(random)
        chosen = {name: random.choice(values) for name, values in VALUES.items()}
        attributes = {name: value for name, value in chosen.items() if value is not None}
        access = Access("/route", resource, action, Risk.GUARDED, Body.NONE)
        verdict = policy.decide(who, access, attributes)
        assert verdict.allowed == oracle.allows(who, resource, action, attributes), (who, resource, action, attributes)
        assert verdict == policy.decide(who, access, attributes)
        assert policy.may(who, access) or not verdict.allowed
