"""From a file to a profile, or to all of its mistakes."""

import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_local.errors import ExitCode, ProfileError
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.load import load
from deepseek_local.profile.schema import Executor
from deepseek_local.profile.settings import settings as all_settings


def test_a_right_profile_is_one_frozen_value(write):
    profile = load(write())
    assert profile.engine.max_num_seqs == 64
    assert profile.engine.executor is Executor.MP
    assert profile.gateway.listen is Listen.UNIX
    with pytest.raises(ValueError, match="frozen"):
        profile.engine.max_num_seqs = 1


def test_a_list_becomes_a_tuple_and_a_text_a_path(write):
    profile = load(write(), sets=["gateway.policy=[users.csv]", "model.path=models/x"])
    assert profile.gateway.policy == ("users.csv",)
    assert str(profile.model.path) == "models/x"


@pytest.mark.parametrize(
    ("key", "line", "told"),
    [
        ("max_num_seqs", "max_num_seq: 64", "p.yaml:12:3: engine.max_num_seq: is no setting (64 seen), did you mean max_num_seqs?"),
        ("count", "max_model_len: 5", "p.yaml:4:3: hardware.max_model_len: is no setting (5 seen), did you mean engine.max_model_len?"),
        ("max_num_seqs", "max_num_seqs: '64'", 'p.yaml:12:3: engine.max_num_seqs: must be a whole number ("64" seen), remove the quotes'),
        ("max_num_seqs", "max_num_seqs: 12:30", 'p.yaml:12:3: engine.max_num_seqs: must be a whole number ("12:30" seen), write decimal'),
        ("max_num_seqs", "max_num_seqs: 010", 'p.yaml:12:3: engine.max_num_seqs: must be a whole number ("010" seen), write decimal'),
        ("max_num_seqs", "max_num_seqs: 64.5", "p.yaml:12:3: engine.max_num_seqs: must be a whole number (64.5 seen), write decimal"),
        ("max_num_seqs", "max_num_seqs: true", "p.yaml:12:3: engine.max_num_seqs: must be a whole number (true seen), write decimal"),
        ("max_num_seqs", "max_num_seqs:", "p.yaml:12:3: engine.max_num_seqs: must be a whole number (null seen), write decimal"),
        ("max_num_seqs", "max_num_seqs: 0", "p.yaml:12:3: engine.max_num_seqs: must be at least 1 (0 seen), choose a larger one"),
        ("max_num_seqs", "max_num_seqs: 5000", "p.yaml:12:3: engine.max_num_seqs: must be at most 4_096 (5000 seen), choose a smaller"),
        ("max_num_seqs", "max_num_seqs: 9999999999999999999999", "p.yaml:12:3: engine.max_num_seqs: must be a whole number (1e+22 seen)"),
        ("gpu_memory_utilization", "gpu_memory_utilization: 1", "p.yaml:14:3: engine.gpu_memory_utilization: must be less than 1"),
        ("gpu_memory_utilization", "gpu_memory_utilization: 0", "p.yaml:14:3: engine.gpu_memory_utilization: must be more than 0"),
        ("gpu_memory_utilization", "gpu_memory_utilization: 90%", 'utilization: must be a number ("90%" seen), write it with decimal'),
        ("max_num_seqs", "max_num_seqs: 1\nprefix_caching: no", 'engine.prefix_caching: must be true or false ("no" seen), write false'),
        ("vendor", "vendor: nvida", "p.yaml:2:3: hardware.vendor: must be 'nvidia', 'amd' or 'cpu' (\"nvida\" seen), did you mean nvidia?"),
        ("vendor", "vendor: 7", "p.yaml:2:3: hardware.vendor: must be 'nvidia', 'amd' or 'cpu' (7 seen), choose one of these words"),
        ("gpu", "gpu: 2026", "p.yaml:3:3: hardware.gpu: must be a text (2026 seen), put it in quotes"),
        ("gpu", "gpu: [a]", 'p.yaml:3:3: hardware.gpu: must be a text (["a"] seen), write one word, or a text in quotes'),
        ("gpu", 'gpu: ""', 'p.yaml:3:3: hardware.gpu: must not be empty ("" seen), write a text'),
        ("gpu", f"gpu: {'x' * 70}", f'hardware.gpu: must have at most 64 characters ("{"x" * 59}... seen), shorten it'),
        ("served_name", "served_name: a/b", "p.yaml:8:3: model.served_name: must be 1 to 64 letters, digits, '.', '_' or '-', the first"),
        ("served_name", "served_name: 2026-01-02:", "this is not YAML"),
        ("served_name", "served_name: 1.5", "p.yaml:8:3: model.served_name: must be a text (1.5 seen), put it in quotes"),
        ("card", "path: 7", "p.yaml:7:3: model.path: must be a text (7 seen), put it in quotes"),
        ("model", "tls:", "p.yaml: model: is missing, add it: The checkpoint."),
        ("model", "model: yes\ntls:", 'p.yaml:6:1: model: must be a section ("yes" seen), indent its settings below it'),
        ("max_model_len", "extra_arguments: --x", 'engine.extra_arguments: must be a list ("--x" seen), write ["--x"]'),
        ("max_model_len", "extra_arguments: {}", "engine.extra_arguments: must be a list ({} seen), write [first, second]"),
        ("max_model_len", "extra_arguments: [a, 7]", "p.yaml:11:24: engine.extra_arguments.1: must be a text (7 seen), put it in quotes"),
        ("max_model_len", "environment: {A: 1}", "p.yaml:11:17: engine.environment.A: must be a text (1 seen), put it in quotes"),
        ("max_model_len", "environment: 1", "p.yaml:11:3: engine.environment: must be a section (1 seen)"),
        ("hardware", "gateway: {policy: []}\nhardware:", "p.yaml:1:11: gateway.policy: must have at least 1 item ([] seen), add one"),
        ("hardware", "gateway: {local_principal: Bob}\nhardware:", 'must be u: (a person) or s: (a service) and a lower-case name, such as u:alice ("Bob"'),
        ("hardware", "observability: {log_level: loud}\nhardware:", 'must be debug, info, warning or error ("loud" seen)'),
        ("hardware", "gateway: {policy: [shipped:sed.csv]}\nhardware:", "p.yaml:1:20: gateway.policy.0: is no shipped policy"),
        ("hardware", "gateway: {quotas: [{tokens_per_day: 5_000}]}\nhardware:", 'p.yaml:1:21: gateway.quotas.0.tokens_per_day: must be a whole number ("5_000"'),
        ("hardware", "gateway: {quotas: [{token_per_day: 5}]}\nhardware:", "p.yaml:1:21: gateway.quotas.0.token_per_day: is no setting (5 seen), did you mean tokens_per_day?"),
        ("hardware", "gateway: {role_limits: {nurse: {max_token: 5}}}\nhardware:", "p.yaml:1:33: gateway.role_limits.nurse.max_token: is no setting (5 seen), did you mean max_tokens?"),
        ("hardware", "gateway: {quotas: [5]}\nhardware:", "p.yaml:1:20: gateway.quotas.0: must be a section (5 seen)"),
        ("hardware", '"a\\nb": 1\nhardware:', 'p.yaml:1:1: "a\\nb": is no setting (1 seen)'),
        ("hardware", "gpu: 1\nhardware:", "p.yaml:1:1: gpu: is no setting (1 seen), did you mean hardware.gpu? the settings here are description,"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_the_value_and_a_remedy(mistakes, with_line, key, line, told):
    assert told in "\n".join(mistakes(with_line(key, line)))


def test_a_missing_key_is_told_at_its_section(mistakes, with_line):
    (mistake,) = mistakes(with_line("max_num_seqs", "# none"))
    assert (
        mistake == "p.yaml:9:1: engine.max_num_seqs: is missing, add it: Requests that are computed at the same time."
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(mistakes):
    text = "hardware: {vendor: nvidia, gpu: x, count: 3, memory_gib: yes, x: 1}\nmodel: {served_name: m}\nmodel: {}\n"
    text += "engine: {max_model_len: 5, max_num_seqs: 8, max_num_batched_tokens: 16, tensor_parallel_size: 2}\n"
    told = mistakes(text, sets=["nonsense", "tls.site=[]"], environment={"DEEPSEEK_LOCAL_TLS__SIDE": "x"})
    assert [line.split(": ")[:2] for line in told] == [
        ["--set", 'must be KEY=VALUE ("nonsense" seen), write it like engine.max_num_seqs=64'],
        ["--set tls.site", "tls.site"],
        [
            "DEEPSEEK_LOCAL_TLS__SIDE",
            "is the variable of no setting, did you mean DEEPSEEK_LOCAL_TLS__SITE? correct it or unset it",
        ],
        ["p.yaml:1:46", "hardware.memory_gib"],
        ["p.yaml:1:63", "hardware.x"],
        ["p.yaml:2:1", "model.card"],
        ["p.yaml:3:1", "model"],
        ["p.yaml:4:1", "engine.kv_cache_bytes"],
        ["p.yaml:4:10", "engine.max_model_len"],
        ["p.yaml:4:73", "engine.tensor_parallel_size"],
    ]


def test_a_rule_is_silent_about_a_value_that_is_wrong_by_itself(mistakes, with_line):
    (mistake,) = mistakes(with_line("count", "count: two"))
    assert "hardware.count: must be a whole number" in mistake


def test_a_rule_is_told_at_a_key_that_is_set(mistakes, with_line):
    (mistake,) = mistakes(with_line("tensor_parallel_size", "pipeline_parallel_size: 3"))
    assert mistake.startswith("p.yaml:10:3: engine.pipeline_parallel_size: tensor times pipeline")
    assert mistake.endswith("[profile/parallel-size]")


def test_the_exit_code_of_a_wrong_profile_is_3(write):
    with pytest.raises(ProfileError) as caught:
        load(write(""))
    assert caught.value.exit_code == ExitCode.PROFILE_INVALID == 3


SMALL = "hardware: {vendor: nvidia, gpu: x, count: 1, memory_gib: 80}\nmodel: {card: x, served_name: x}\n"
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([setting.path for setting in all_settings()]) | st.lists(
    st.text(min_size=1, max_size=8), min_size=1, max_size=3
)


@given(st.lists(st.tuples(keys, values), max_size=5), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mapping_gives_a_profile_or_mistakes_with_places(mistakes, changes, right):
    data = yaml.safe_load(SMALL) if right else {}
    for path, value in changes:
        section = data
        for part in path[:-1]:
            section[part] = section[part] if isinstance(section.get(part), dict) else {}
            section = section[part]
        section[path[-1]] = value
    for told in mistakes(json.dumps(data)):
        assert told.startswith(("p.yaml: ", "p.yaml:1:"))
        assert told.isprintable()


@given(st.integers(0, 20), st.integers(1, 20), st.sampled_from(["count", "vendor", "max_model_len", "served_name"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_line_and_column_point_at_the_key(mistakes, with_line, above, indent, key):
    text = with_line(key, f"{key}: [wrong]").replace("  ", " " * indent)
    text = "# comment\n" * above + text
    (mistake,) = [told for told in mistakes(text) if f".{key}: must" in told]
    _, line, column, *_ = mistake.split(":")
    assert text.splitlines()[int(line) - 1][int(column) - 1 :].startswith(f"{key}:")
