"""Sample requests: whether a condition can be true is answered as trying every request would answer it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.policy import conditions, samples
from deepseek_local.policy.samples import can_be_true


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hours(22, 6)",
        "hour > 22",
        'weekdays("sat", "sun") and hour == 0',
        'model("deepseek-*") and model != "deepseek-67b"',
        'model("deepseek-*", "x*") and not model("deepseek-6*")',
        'cidr("10.0.0.0/8") and not cidr("10.1.0.0/16")',
        'not cidr("0.0.0.0/1") and not cidr("2001:db8::/32")',
        "max_tokens > 100 and max_tokens < 102",
        "max_tokens > hour and max_tokens < 5",
        "tenant == purpose and tenant not in ('a', 'b')",
        "tenant != purpose and tenant != data_class and purpose != 'other'",
        "not stream and auth_strength >= 3",
    ],
)
def test_a_condition_that_some_request_meets_can_be_true(text: str):
    assert can_be_true(conditions.compile(text))


@pytest.mark.parametrize(
    "text",
    [
        "hour < 8 and hour > 20",
        "hour == 3 and hours(8, 20)",
        "stream and not stream",
        'model == "a" and model == "b"',
        'model("deepseek-6*") and not model("deepseek-*")',
        'cidr("10.1.0.0/16") and not cidr("10.0.0.0/8")',
        "max_tokens > 100 and max_tokens < 101",
        'weekdays("sat", "sun") and weekday in ("mon", "tue")',
        "auth_strength > 2 and auth_strength < 2",
    ],
)
def test_a_condition_that_contradicts_itself_cannot(text: str):
    assert not can_be_true(conditions.compile(text))


def test_what_would_take_too_long_to_try_is_given_the_benefit_of_the_doubt():
    names = ("tenant", "model", "data_class", "purpose", "node")
    text = " and ".join(f'{name} != "a"' for name in names)
    text += ' and hour < 8 and hour > 20 and max_tokens < 7 and cidr("10.0.0.0/8") and weekday == "mon" and stream'
    assert can_be_true(conditions.compile(text))


bounds = st.integers(0, 23)
moments = st.builds(lambda sign, number: f"hour {sign} {number}", st.sampled_from(["<", "<=", "==", "!=", ">"]), bounds)
amounts = st.builds(
    lambda sign, number: f"max_tokens {sign} {number}", st.sampled_from(["<", "==", ">"]), st.integers(0, 5)
)
leaves = st.one_of(moments, amounts, st.just("stream"))
texts = st.recursive(
    leaves,
    lambda parts: st.one_of(
        st.builds("({} and {})".format, parts, parts), st.builds("({} or {})".format, parts, parts), parts.map("not {}".format)
    ),
    max_leaves=5,
)  # fmt: skip


@given(texts)
def test_the_samples_miss_no_request(text: str):
    condition = conditions.compile(text)
    every = (
        {"hour": hour, "max_tokens": tokens, "stream": stream}
        for hour in range(24)
        for tokens in range(8)
        for stream in (False, True)
    )
    assert can_be_true(condition) == any(condition.holds(request) for request in every)


def test_values_come_in_the_same_order_every_time():
    condition = conditions.compile('cidr("10.0.0.0/8") and model("deepseek-*") and max_tokens <= 100')
    assert samples.values(condition) == {
        "ip": ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0", "192.0.2.1"),
        "max_tokens": (0, 1_000_000_000, 99, 100, 101),
        "model": ("10.0.0.0/8", "deepseek-~", "other", "another"),
    }
