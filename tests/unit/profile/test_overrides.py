"""The environment and `--set` over the files."""

import pytest

from deepseek_local.profile.load import load
from deepseek_local.profile.settings import settings

SEQS = "DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS"


def test_the_environment_lies_over_the_file_and_set_over_both(write):
    name = write()
    environment = {SEQS: "8"}
    assert load(name).engine.max_num_seqs == 64
    assert load(name, environment=environment).engine.max_num_seqs == 8
    assert load(name, environment=environment, sets=["engine.max_num_seqs=4"]).engine.max_num_seqs == 4


def test_the_last_set_wins(write):
    assert load(write(), sets=["engine.max_num_seqs=1", "engine.max_num_seqs=2"]).engine.max_num_seqs == 2


def test_every_value_of_a_section_has_its_own_twin():
    twins = [setting.twin for setting in settings() if not setting.section and len(setting.path) > 1]
    assert None not in twins
    assert len(set(twins)) == len(twins)
    assert "DEEPSEEK_LOCAL_GATEWAY__LIMITS__BODY_BYTES" in twins


def test_a_nested_twin_a_list_and_a_mapping_work(write):
    environment = {
        "DEEPSEEK_LOCAL_GATEWAY__LIMITS__BODY_BYTES": "2048",
        "DEEPSEEK_LOCAL_GATEWAY__POLICY": "[shipped:seed.csv, mine.csv]",
        "DEEPSEEK_LOCAL_ENGINE__ENVIRONMENT": "{VLLM_X: 'no'}",
    }
    profile = load(write(), environment=environment, sets=["engine.environment.VLLM_Y=z"])
    assert profile.gateway.limits.body_bytes == 2048
    assert profile.gateway.policy == ("shipped:seed.csv", "mine.csv")
    assert profile.engine.environment == {"VLLM_X": "no", "VLLM_Y": "z"}


def test_an_empty_twin_is_null(write):
    sets = ["engine.kv_cache_bytes=1073741824"]
    environment = {"DEEPSEEK_LOCAL_ENGINE__GPU_MEMORY_UTILIZATION": ""}
    assert load(write(), sets=sets, environment=environment).engine.gpu_memory_utilization is None


def test_variables_that_are_not_of_settings_are_left_alone(mistakes):
    assert (
        mistakes(
            environment={"DEEPSEEK_LOCAL_HOME": "x", "DEEPSEEK_LOCAL_GATEWAY": "y", "OTHER__THING": "z", "PATH": "/"}
        )
        == []
    )


def test_a_mistyped_twin_is_a_mistake(mistakes):
    assert mistakes(environment={"DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQ": "8"}) == [
        f"DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQ: is the variable of no setting, did you mean {SEQS}? correct it or unset it"
    ]


@pytest.mark.parametrize("text", ["engine", "", "=5", "engine.=5", ".x=5", "engine..x=5", "\x1b.x=1", "\udc80=1"])
def test_a_set_that_is_no_key_and_value_is_a_mistake(mistakes, text):
    (told,) = mistakes(sets=[text])
    assert told.startswith("--set: must be KEY=VALUE (")


def test_a_wrong_value_names_the_option_or_the_variable(mistakes):
    told = mistakes(
        sets=["engine.max_num_seqs=0", "nonsense.x=1", "engine=5", "hardware.count.x=1"], environment={SEQS: "many"}
    )
    assert [line.partition(": must")[0].partition(": is")[0] for line in told] == [
        "--set engine: engine",
        "--set hardware.count.x: hardware.count",
        "--set nonsense.x: nonsense",
    ]
    (told,) = mistakes(environment={SEQS: "many"})
    assert told.startswith(f'{SEQS}: engine.max_num_seqs: must be a whole number ("many" seen)')


def test_a_value_that_is_no_yaml_leaves_the_others_to_be_checked(mistakes):
    told = mistakes(sets=["gateway.policy=[a", "tls.site=-"])
    assert [line.partition(": ")[0] for line in told] == ["--set gateway.policy", "--set tls.site"]


@pytest.mark.parametrize("value", ["\x1b[2J", "a\udc80", "\x00"])
def test_control_characters_and_stray_bytes_are_a_mistake(mistakes, value):
    (told,) = mistakes(sets=[f"tls.site={value}"])
    assert told.startswith("--set tls.site: tls.site: holds the character U+")
    assert told.isprintable()


def test_a_value_may_hold_colons_equal_signs_and_spaces(write):
    assert load(write(), sets=["description= a: b = c # d "]).description == "a: b = c # d"
