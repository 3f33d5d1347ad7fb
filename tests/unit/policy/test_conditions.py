"""The language of conditions: total, typed, and deaf to everything that is not in it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.access import Attribute
from deepseek_local.policy import conditions
from deepseek_local.policy.attributes import ATTRIBUTES, WEEKDAYS
from deepseek_local.policy.casbin_engine import counts
from deepseek_local.policy.conditions import ConditionError
from deepseek_local.policy.predicates import PREDICATES

REQUEST: dict[str, Attribute] = {
    "tenant": "acme",
    "model": "deepseek-r1",
    "data_class": "internal",
    "purpose": "care",
    "hour": 9,
    "weekday": "mon",
    "ip": "10.1.2.3",
    "auth_strength": 2,
    "max_tokens": 4096,
    "stream": True,
    "node": "gpu01",
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", True),
        ("True", True),
        ("not True", False),
        ("stream", True),
        ("not stream", False),
        ("stream == True", True),
        ("stream != False and stream", True),
        ('tenant == "acme"', True),
        ('tenant != "acme"', False),
        ("'acme' == tenant", True),
        ('purpose in ("care", "research")', True),
        ('purpose not in ["care"]', False),
        ("hour in (8, 9)", True),
        ("stream in (False,)", False),
        ("hour < 9", False),
        ("hour <= 9", True),
        ("8 <= hour < 20", True),
        ("8 <= hour < 9", False),
        ("max_tokens > 4095 or max_tokens >= 99999", True),
        ("auth_strength == 2 and (hour == 0 or node == 'gpu01')", True),
        ("not (hour == 9 or stream)", False),
        ('cidr("10.0.0.0/8")', True),
        ('cidr("192.168.0.0/16", "10.1.2.3/32")', True),
        ('cidr("fd00::/8")', False),
        ("hours(8, 20)", True),
        ("hours(8, 9)", False),
        ("hours(9, 10)", True),
        ("hours(0, 24)", True),
        ("hours(22, 6)", False),
        ("hours(22, 10)", True),
        ('weekdays("mon", "fri")', True),
        ('weekdays("tue", "sun")', False),
        ('weekdays("sat", "mon")', True),
        ('model("deepseek-*")', True),
        ('model("deepseek-r1")', True),
        ('model("deepseek-r")', False),
        ('model("other", "deep*")', True),
        ('model("*")', True),
        ("data_class == '内部'", False),
    ],
)
def test_a_condition_says_what_it_says(text: str, answer: object):
    assert conditions.compile(text).holds(REQUEST) is answer


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("colour == 1", 1, "colour is no attribute; there are tenant, model"),
        ("stream and colour", 12, "colour is no attribute"),
        ("hour", 1, "hour is a number, not true or false"),
        ("'a'", 1, "'a' is a text, not true or false"),
        ("hour == '9'", 9, "'9' is a text, and is compared with a number"),
        ("stream == 1", 11, "1 is a number, and is compared with true or false"),
        ("hour == True", 9, "True is true or false, and is compared with a number"),
        ("tenant == node", 0, ""),
        ("tenant < 'b'", 10, "write == or !="),
        ("stream < True", 10, "write == or !="),
        ("hour is 9", 9, "write == or !="),
        ("hour == 24", 9, "24 is no value that hour can have; it is 0 to 23"),
        ("auth_strength >= 4", 18, "it is 1 to 3"),
        ("weekday == 'monday'", 12, "it is one of mon, tue"),
        ("tenant == 'Acme'", 11, "it is a lower-case letter"),
        ("'10.0.0.1' == ip", 15, 'write cidr("10.0.0.5/32")'),
        ("hour in 9", 9, "is no list of constants"),
        ("hour in ()", 9, "is no list of constants"),
        ("hour in (9, max_tokens)", 13, "is no constant"),
        ("hour in (9, '9')", 13, "is a text"),
        ("hour in {9}", 9, "is no list of constants"),
        ("cidr('10.0.0.1/8')", 1, "has host bits set"),
        ("cidr('ten')", 1, "does not appear to be an IPv4 or IPv6 network"),
        ("cidr()", 1, "is not written like cidr("),
        ("cidr(ip)", 1, "is not written like"),
        ("cidr(*('10.0.0.0/8',))", 1, "is not written like"),
        ("cidr(x='10.0.0.0/8')", 1, "is not written like"),
        ("hours(8)", 1, "is not written like hours(8, 20)"),
        ("hours(8, 25)", 1, "8, 25 is no time of day"),
        ("hours(8, 8)", 1, "is no time of day"),
        ("hours(True, 8)", 1, "is not written like"),
        ("weekdays('mon', 'friday')", 1, "'friday' is no weekday"),
        ("model('a*b')", 1, "`*` stands only at its end"),
        ("model('')", 1, "`*` stands only at its end"),
        ("open('/etc/passwd')", 1, "open is no call that a condition can make"),
        ("tenant.upper() == 'A'", 1, "is more than a condition can say"),
        ("tenant.startswith('A')", 1, "tenant.startswith is no call"),
        ("().__class__", 1, "is more than a condition can say"),
        ("hour + 1 == 2", 1, "is more than a condition can say"),
        ("-1 < hour", 1, "is more than a condition can say"),
        ("hour == 1.5", 9, "is more than a condition can say"),
        ("tenant == None", 11, "is more than a condition can say"),
        ("tenant == b'a'", 11, "is more than a condition can say"),
        ("tenant == f'{node}'", 11, "is more than a condition can say"),
        ("[stream for _ in 'a']", 1, "is more than a condition can say"),
        ("(stream := True)", 2, "is more than a condition can say"),
        ("lambda: True", 1, "is more than a condition can say"),
        ("stream if stream else stream", 1, "is more than a condition can say"),
        ("stream, stream", 1, "is more than a condition can say"),
        ("True) or (True", 5, "cannot be read as an expression"),
        ("stream; stream", 7, "cannot be read as an expression"),
        ("stream = True", 8, "cannot be read as an expression"),
        ("stream and", 10, "cannot be read as an expression"),
        ("tenant == 'a", 11, "cannot be read as an expression"),
        ("stream # or not", 8, "'#' has no meaning"),
        ("tenant == '\\x61'", 12, "has no meaning"),
        ("stream\0", 7, "has no meaning"),
        ("内部 == 'ä' and colour", 1, "内部 is no attribute"),
        ("data_class == '内部' and colour", 24, "colour is no attribute"),
    ],
)
def test_what_is_no_condition_is_told_at_its_column(text: str, column: int, part: str):
    if not part:
        assert conditions.compile(text).holds(REQUEST) is False
        return
    with pytest.raises(ConditionError) as caught:
        conditions.compile(text)
    assert part in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text", ["(" * 5_000, "not " * 20_000 + "stream", "stream and " * 50_000 + "stream", "-" * 9_999]
)
def test_a_condition_that_is_too_long_is_not_read(text: str):
    with pytest.raises(ConditionError, match="at most 1000 are read"):
        conditions.compile(text)


def test_a_hash_in_a_text_is_no_comment():
    assert conditions.compile("purpose == '#7'").holds({"purpose": "#7"})


@pytest.mark.parametrize("text", ["(" * 199 + "stream" + ")" * 199, "not " * 240 + "stream", "((" * 240])
def test_nesting_ends_in_an_answer_or_a_refusal(text: str):
    assert read(text) in (True, "refused")


def test_a_condition_tells_what_it_looks_at():
    condition = conditions.compile("cidr('10.0.0.0/8') and (stream or 8 <= hour < 20)")
    assert condition.names == {"ip", "stream", "hour"}
    assert condition.lacking({"stream": True, "hour": 25}) == {"ip", "hour"}
    assert conditions.compile("").names == conditions.compile("True").names == frozenset()


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("text", ["stream or {}", "not ({})", "{} and stream"])
def test_without_an_attribute_an_allow_does_not_count_and_a_deny_does(name: str, text: str):
    tests = {str: "{} == 'x'", int: "{} == 1", bool: "{}"}
    special = {"ip": "cidr('0.0.0.0/0')", "weekday": "weekday == 'mon'"}
    condition = text.format(special.get(name, tests[ATTRIBUTES[name]].format(name)))
    lacking = {key: value for key, value in REQUEST.items() if key != name}
    assert (counts(lacking, condition, "allow"), counts(lacking, condition, "deny")) == (False, True)
    assert counts(REQUEST, condition, "allow") is counts(REQUEST, condition, "deny")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ip", "unix"),
        ("ip", ""),
        ("hour", 24),
        ("hour", -1),
        ("hour", "9"),
        ("weekday", "Mon"),
        ("auth_strength", 0),
        ("max_tokens", True),
        ("max_tokens", "5"),
        ("stream", 1),
        ("tenant", ""),
        ("model", 7),
    ],
)
def test_a_value_that_cannot_be_real_is_like_none(name: str, value: Attribute):
    tests = {"ip": "not cidr('10.0.0.0/8')", "stream": "not stream", "weekday": "weekday != 'sun'"}
    text = tests.get(name, f"{name} != {'1' if ATTRIBUTES[name] is int else repr('x')}")
    request = {**REQUEST, name: value}
    assert counts(REQUEST, text, "allow") is (name not in {"ip", "stream"})
    assert (counts(request, text, "allow"), counts(request, text, "deny")) == (False, True)


def test_an_ipv4_address_in_ipv6_spelling_is_the_same_address():
    assert conditions.compile("cidr('10.0.0.0/8')").holds({"ip": "::ffff:10.1.2.3"})


@given(st.integers(0, 23), st.integers(0, 23), st.integers(1, 24))
def test_hours_are_those_that_pass_on_a_clock(hour: int, first: int, end: int):
    if first == end:
        return
    length = (timedelta(hours=end) - timedelta(hours=first)) % timedelta(hours=24) or timedelta(hours=24)
    passed = (timedelta(hours=hour) - timedelta(hours=first)) % timedelta(hours=24)
    assert conditions.compile(f"hours({first}, {end})").holds({"hour": hour}) is (passed < length)


@given(st.sampled_from(WEEKDAYS), st.sampled_from(WEEKDAYS), st.sampled_from(WEEKDAYS))
def test_weekdays_go_round_the_week(day: str, first: str, last: str):
    days = WEEKDAYS[WEEKDAYS.index(first) :] + WEEKDAYS
    assert conditions.compile(f"weekdays('{first}', '{last}')").holds({"weekday": day}) is (
        day in days[: days.index(last) + 1]
    )


def read(text: str) -> object:
    try:
        return conditions.compile(text).holds(REQUEST)
    except ConditionError as error:
        return "refused" if 1 <= error.column <= max(len(text), 1) else error


WORDS = [
    *ATTRIBUTES,
    "and",
    "or",
    "not",
    "in",
    "==",
    "<",
    "(",
    ")",
    ",",
    "[",
    "]",
    "'a'",
    "9",
    "True",
    "cidr",
    "hours",
    ".",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_whatever_is_read_has_an_answer(text: str):
    assert read(text) in (True, False, "refused")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str):
    assert read(text) in (True, False, "refused")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reference_lists_every_attribute_and_every_call(language: str):
    text = (Path(__file__).parents[3] / "docs" / language / "reference" / "policy.md").read_text("utf-8")
    listed = re.findall(r"^\| `([a-z_]+)(?:\([^|]*\))?` \|", text.split("\n## ")[2], re.MULTILINE)
    assert listed == [*ATTRIBUTES, "hours", "weekdays", "cidr", "model"]
    assert set(listed) == {*ATTRIBUTES, *PREDICATES}
