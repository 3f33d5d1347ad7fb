"""The engine's command line, for every shipped profile and for every decision that shapes it."""

import json

import pytest

from deepseek_local.engine import args
from deepseek_local.engine.compat import NEWEST, OLDEST, known_flags
from deepseek_local.engine.environment import masked
from deepseek_local.errors import PlanError
from deepseek_local.profile import library

VERSIONS = [f"0.{minor}.0" for minor in range(OLDEST[1], NEWEST[1] + 1)]


def argv(plan) -> list[str]:
    return list(args.build(plan, {}).argv)


def flags(plan) -> list[str]:
    return [argument.partition("=")[0] for argument in argv(plan) if argument.startswith("--")]


@pytest.mark.parametrize("name", library.names())
def test_every_shipped_profile_starts_the_engine_as_reviewed(name, planned, golden):
    launch = args.build(planned(name), {})
    variables = [f"{key}={value}" for key, value in masked(launch.environment).items()]
    golden(f"argv/{name}.txt", "\n".join([*launch.argv, "", *variables, ""]))


@pytest.mark.parametrize("name", library.names())
@pytest.mark.parametrize("version", VERSIONS)
def test_every_supported_engine_knows_all_flags(name, version, planned):
    assert set(flags(planned(name, version=version))) <= known_flags(version)


@pytest.mark.parametrize("name", library.names())
def test_no_flag_is_given_twice(name, planned):
    given = flags(planned(name))
    assert len(given) == len(set(given))


def test_the_model_is_the_only_positional_argument(planned):
    launch = args.build(planned(), {})
    assert launch.argv[:4] == (*args.LAUNCHER, "serve", "/srv/deepseek-local/models/smollm2-135m-instruct")
    assert all(argument.startswith("--") for argument in launch.argv[4:])


def test_the_front_door_listens_where_the_profile_says(planned):
    assert "--uds=/run/deepseek-local/front.sock" in argv(planned("cpu-demo", "gateway.listen=unix"))
    loopback = argv(planned("cpu-demo", "gateway.listen=loopback", "gateway.port=8123"))
    assert "--host=127.0.0.1" in loopback
    assert "--port=8123" in loopback
    assert not any(argument.startswith("--uds") for argument in loopback)


def test_one_gpu_needs_no_worker_process(planned):
    assert "--distributed-executor-backend=uni" in argv(planned("a100x1"))
    assert "--distributed-executor-backend=mp" in argv(planned("a100x2"))
    assert "--distributed-executor-backend=ray" in argv(planned("a100x8"))
    assert "--distributed-executor-backend=mp" in argv(planned("cpu-demo"))


def test_a_pipeline_on_cpu_is_compiled_for_eager_execution(planned):
    pipeline = argv(planned("cpu-demo", "engine.pipeline_parallel_size=2", "engine.enforce_eager=false"))
    assert '--compilation-config={"mode":3,"backend":"eager"}' in pipeline
    assert "--no-enforce-eager" in pipeline
    assert "--enforce-eager" in argv(planned("cpu-demo"))


@pytest.mark.parametrize(
    ("method", "flag"),
    [
        ("fp8", "--quantization=fp8_per_channel"),
        ("gptq", "--quantization=gptq"),
        ("awq", "--quantization=awq"),
        ("bitsandbytes", "--quantization=bitsandbytes"),
    ],
)
def test_a_quantization_of_the_profile_is_passed_on(method, flag, planned):
    assert flag in argv(planned("h100x1", f"engine.quantization={method}"))


def test_weights_are_never_unpickled(planned):
    assert "--load-format=safetensors" in argv(planned("h100x1"))
    assert "--load-format=bitsandbytes" in argv(planned("h100x1", "engine.quantization=bitsandbytes"))


def test_either_size_of_the_cache_is_passed_on(planned):
    assert "--kv-cache-memory-bytes=536870912" in argv(planned("cpu-demo"))
    assert "--gpu-memory-utilization=0.92" in argv(planned("h100x1"))
    assert "--no-enable-prefix-caching" in argv(planned("h100x1", "engine.prefix_caching=false"))


def test_the_parsers_come_from_the_card(planned):
    assert "--reasoning-parser=deepseek_r1" in argv(planned("h100x1"))
    assert not any("parser" in argument for argument in argv(planned("a100x2")))


def test_tools_are_on_when_a_template_shows_them(planned):
    sets = ["model.card=deepseek-v3", "hardware.count=8", "engine.tensor_parallel_size=8"]
    assert not any("tool" in argument for argument in argv(planned("h100x1", *sets)))
    shown = argv(planned("h100x1", *sets, 'engine.extra_arguments=["--chat-template=/srv/tools.jinja"]'))
    assert {"--enable-auto-tool-choice", "--tool-call-parser=deepseek_v3"} <= set(shown)


def test_a_model_without_a_card_gets_no_parser(planned):
    asked = planned("h100x1", "model.card=null", "model.path=/srv/any")
    assert not any("parser" in argument for argument in argv(asked))


def test_what_the_profile_adds_comes_before_what_the_kit_decides(planned):
    added = "--max-num-queued-reqs=10"
    launch = argv(planned("cpu-demo", f"engine.extra_arguments={json.dumps([added])}"))
    assert launch.index(added) < min(
        launch.index(argument) for argument in launch if argument.startswith("--middleware")
    )


@pytest.mark.parametrize(
    "argument", ["--load-format=fastsafetensors", "--generation-config=vllm", "--reasoning-parser=x"]
)
def test_some_choices_of_the_kit_give_way(argument, planned):
    launch = argv(planned("h100x1", f"engine.extra_arguments={json.dumps([argument])}"))
    assert [given for given in launch if given.startswith(argument.partition("=")[0])] == [argument]


def test_all_refusals_come_at_once(planned):
    arguments = json.dumps(["--middleware=x.Y", "--frobnicate"])
    asked = planned("cpu-demo", f"engine.extra_arguments={arguments}", 'engine.environment={"LD_PRELOAD": "x.so"}')
    with pytest.raises(PlanError) as refused:
        args.build(asked, {})
    assert len(refused.value.reasons) == 3


def test_an_engine_of_another_age_is_refused(planned):
    with pytest.raises(PlanError, match=r"0\.34\.0 is installed"):
        args.build(planned(version="0.34.0"), {})
