"""Further engine arguments: the allow-list holds, and every refusal tells what to write instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.engine.allowed import ALLOWED, REFUSED
from deepseek_local.engine.extra import flag_of, problems


def check(*arguments: str, version: str = "0.32.0") -> list[str]:
    return list(problems(arguments, version))


@pytest.mark.parametrize(
    "argument",
    [
        "--attention-backend=FLASH_ATTN_MLA",
        "--async-scheduling",
        "--cpu-offload-gb=2.5",
        "--chat-template=/srv/templates/tools v3.jinja",
        '--default-chat-template-kwargs={"thinking": true}',
        "--kv-cache-dtype=fp8",
        "--max-num-queued-reqs=0",
        "--optimization-level=2",
    ],
)
def test_what_the_allow_list_holds_is_accepted(argument):
    assert check(argument) == []


@pytest.mark.parametrize("flag", sorted(REFUSED))
def test_dangerous_and_decided_flags_are_refused_with_a_reason(flag):
    for argument in (flag, f"{flag}=x", "--no-" + flag.removeprefix("--")):
        (problem,) = check(argument)
        assert REFUSED[flag] in problem
        assert argument in problem


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--attention-back=FLASH_ATTN", "abbreviation, write --attention-backend"),
        ("--max-num-queued=3", "abbreviation, write --max-num-queued-reqs or --max-num-queued-tokens"),
        ("--middle=x.Y", "not in the allow-list"),
        ("--frobnicate", "remove it"),
        ("--stream-intervall=3", "did you mean --stream-interval?"),
        ("--stream-interval 3", "write --flag=value, each argument as an entry of its own"),
        ("--stream-interval\t3", "space"),
        ("--stream_interval=3", "write --stream-interval"),
        ("--eplb-config.window_size=3", "whole object as JSON"),
        ("-tp=2", "does not start with --"),
        ("-O3", "does not start with --"),
        ("8", "does not start with --"),
        ("", "does not start with --"),
        ("--", "no argument"),
        ("--Seed=1", "no argument"),
        ("--seed=1\n--middleware=x.Y", "no argument"),
        ("--seed=1\x00", "no argument"),
    ],
)
def test_malformed_arguments_are_refused_with_a_remedy(argument, words):
    (problem,) = check(argument)
    assert words in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--async-scheduling=true", "no value"),
        ("--async-scheduling=", "no value"),
        ("--seed", "a whole number"),
        ("--seed=-1", "a whole number"),
        ("--seed=1e3", "a whole number"),
        ("--cpu-offload-gb=much", "a number"),
        ("--kv-cache-dtype=int3", "one of auto"),
        ("--load-format=pt", "safetensors"),
        ("--attention-backend=os.system", "a name"),
        ("--chat-template={{ x }}", ".jinja"),
        ("--chat-template=tools.jinja", "absolute path"),
        ("--eplb-config=[1]", "JSON object"),
        ("--eplb-config={", "JSON object"),
        ('--eplb-config={"a": {"b": 1}}', "without inner objects"),
        ('--model-loader-extra-config={"a": [1]}', "without inner objects"),
        ("--eplb-config=" + "[" * 100_000, "JSON object"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_what_fits(argument, words):
    (problem,) = check(argument)
    assert words in problem


def test_a_flag_given_twice_is_refused():
    (problem,) = check("--seed=1", "--stream-interval=2", "--seed=2")
    assert "--seed twice" in problem


def test_a_flag_of_a_newer_engine_is_refused_with_its_version():
    (problem,) = check("--max-num-queued-reqs=8", version="0.28.0")
    assert "came with vLLM 0.29" in problem
    assert check("--max-num-queued-reqs=8", version="0.29.0") == []


def test_all_problems_are_reported():
    assert len(check("--frobnicate", "--seed=1", "--seed=x", "8")) == 3


names = st.from_regex(r"--?[a-z0-9_.-]{0,20}", fullmatch=True) | st.sampled_from([*ALLOWED, *REFUSED])


@given(
    st.lists(st.one_of(st.text(max_size=20), names, st.builds("{}={}".format, names, st.text(max_size=10))), max_size=4)
)
def test_only_exact_flags_of_the_allow_list_pass(arguments):
    complained = " ".join(check(*arguments))
    for argument in arguments:
        assert complained or flag_of(argument) in ALLOWED
