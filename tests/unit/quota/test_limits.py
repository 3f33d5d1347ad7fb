"""Which counters a request must find room in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deepseek_local.profile.front_door import Quota
from deepseek_local.quota.limits import EVERYTHING, Asker, Counter, Kind, counters, limit_of, rules

ALICE = Asker("u:alice", frozenset({"operator", "analyst"}), "red", "deepseek-r1")
REQUESTS = Kind.REQUESTS_PER_MINUTE


def scopes(asker: Asker = ALICE, **named: str) -> list[str]:
    return [counter.scope for counter in counters(rules([Quota(requests_per_minute=5, **named)]), asker)]


@pytest.mark.parametrize(
    ("named", "scope"),
    [
        ({}, EVERYTHING),
        ({"principal": "u:alice"}, "principal=u:alice"),
        ({"principal": "*"}, "principal=u:alice"),
        ({"role": "operator"}, "role=operator"),
        ({"principal": "*", "role": "operator"}, "principal=u:alice,role=operator"),
        ({"tenant": "*", "model": "deepseek-r1"}, "tenant=red,model=deepseek-r1"),
    ],
)
def test_a_quota_counts_in_the_scope_that_describes_its_requests(named, scope):
    assert scopes(**named) == [scope]


@pytest.mark.parametrize(
    "named",
    [
        {"principal": "u:bob"},
        {"role": "admin"},
        {"principal": "*", "role": "admin"},
        {"tenant": "blue"},
        {"model": "deepseek-v3"},
    ],
)
def test_a_quota_for_others_does_not_count(named):
    assert scopes(**named) == []


@pytest.mark.parametrize("name", ["tenant", "model"])
def test_a_star_needs_a_value(name):
    nobody = Asker("u:alice", frozenset(), None, None)
    assert scopes(nobody, **{name: "*"}) == []


def test_of_two_quotas_for_the_same_requests_the_lower_limit_holds():
    quotas = [Quota(principal="*", requests_per_minute=9), Quota(principal="u:alice", requests_per_minute=7)]
    assert counters(rules(quotas), ALICE) == (Counter("principal=u:alice", REQUESTS, 7),)


def test_every_limit_of_a_quota_is_a_counter_of_its_own():
    quota = Quota(requests_per_minute=1, tokens_per_minute=2, tokens_per_day=3, concurrent_streams=4)
    assert [(each.kind, each.limit) for each in counters(rules([quota]), ALICE)] == list(
        zip(Kind, (1, 2, 3, 4), strict=True)
    )


def test_a_role_of_a_quota_is_written_as_in_the_policy():
    with pytest.raises(ValidationError):
        Quota(role="Operator,x=1", requests_per_minute=1)


NAMED = st.fixed_dictionaries(
    {},
    optional={
        "principal": st.sampled_from(["*", "u:alice", "u:bob"]),
        "role": st.sampled_from(["operator", "analyst"]),
        "tenant": st.sampled_from(["*", "red", "blue"]),
        "model": st.sampled_from(["*", "deepseek-r1", "deepseek-v3"]),
        "requests_per_minute": st.integers(1, 9),
        "tokens_per_day": st.integers(1, 9),
    },
)
ASKERS = st.builds(
    Asker,
    st.sampled_from(["u:alice", "u:bob"]),
    st.frozensets(st.sampled_from(["operator", "analyst"])),
    st.sampled_from([None, "red", "blue"]),
    st.sampled_from([None, "deepseek-r1", "deepseek-v3"]),
)


@given(st.lists(NAMED, max_size=5), ASKERS)
def test_a_counter_is_found_once_and_its_limit_can_be_found_again(named, asker):
    quotas = rules(Quota(**each) for each in named)
    found = counters(quotas, asker)
    assert len({(each.scope, each.kind) for each in found}) == len(found)
    assert all(limit_of(quotas, each.scope, each.kind) == each.limit for each in found)


def test_a_scope_that_no_quota_makes_any_more_has_no_limit():
    assert limit_of(rules([Quota(principal="u:bob", requests_per_minute=1)]), "principal=u:alice", REQUESTS) is None
    assert limit_of(rules([Quota(principal="*", tokens_per_day=1)]), "principal=u:alice", REQUESTS) is None
