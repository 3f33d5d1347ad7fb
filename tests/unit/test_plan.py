"""What the engine can and cannot do, for the models and the hardware that the kit is made for."""

from dataclasses import replace
from pathlib import Path

import pytest

from deepseek_local import plan
from deepseek_local.errors import ExitCode, PlanError
from deepseek_local.models import card
from deepseek_local.models.facts import ModelFacts
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile

PLACES = Places(Path("/srv/dl"), Path("/run/dl"))
A100 = {"vendor": "nvidia", "gpu": "NVIDIA A100-SXM4-80GB", "count": 8, "memory_gib": 79.25}
H100 = A100 | {"gpu": "NVIDIA H100 80GB HBM3"}
MI250X = {"vendor": "amd", "gpu": "AMD Instinct MI250X", "count": 8, "memory_gib": 64}
MI300X = MI250X | {"gpu": "AMD Instinct MI300X"}
CPU = {"vendor": "cpu", "gpu": "any x86-64 CPU", "count": 1, "memory_gib": 8}


def profile(hardware: dict[str, object] = A100, model: str | None = None, **engine: object) -> Profile:
    settings: dict[str, object] = {
        "max_model_len": 4096,
        "max_num_seqs": 64,
        "max_num_batched_tokens": 2048,
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": 8 if hardware["vendor"] != "cpu" else 1,
    }
    return Profile.model_validate(
        {"hardware": hardware, "model": {"card": model, "served_name": "m"}, "engine": settings | engine}, strict=False
    )


def facts(name: str = "deepseek-llm-67b-chat", **changes: object) -> ModelFacts:
    found = card.find(name)
    assert found is not None
    return replace(found.facts, **changes)  # type: ignore[arg-type]  # the tests give fields of ModelFacts


def make(asked: Profile, known: ModelFacts | None = None) -> plan.Plan:
    found = card.find(asked.model.card) if asked.model.card else None
    return plan.make(asked, PLACES, known, found, "0.32.0")


def reasons(asked: Profile, known: ModelFacts | None = None) -> tuple[str, ...]:
    with pytest.raises(PlanError) as refused:
        make(asked, known)
    return refused.value.reasons


def notes(asked: Profile, known: ModelFacts | None = None) -> str:
    return "\n".join(make(asked, known).notes)


def test_a_plan_holds_what_the_launch_needs():
    asked = profile(model="deepseek-llm-67b-chat")
    made = make(asked)
    assert made.model_path == Path("/srv/dl/models/deepseek-llm-67b-chat")
    assert made.card is card.find("deepseek-llm-67b-chat")
    assert made.facts == facts()
    assert made.notes == ()


def test_the_checkpoint_knows_better_than_the_card():
    quantized = facts(quantization="gptq", quantization_group=64)
    assert make(profile(model="deepseek-llm-67b-chat", tensor_parallel_size=4), quantized).facts == quantized


def test_a_checkpoint_of_another_model_is_refused():
    (reason,) = reasons(profile(model="deepseek-llm-67b-chat"), facts("deepseek-llm-7b-chat"))
    assert "30 layers" in reason
    assert "--set model.card=null" in reason


def test_an_unknown_card_is_refused_with_the_known_ones():
    assert "deepseek-r1" in reasons(profile(model="deepseek-r9"), facts())[0]


def test_an_unknown_architecture_is_left_to_the_engine():
    assert "nothing is known" in notes(profile())


def test_everything_impossible_is_reported_at_once():
    found = reasons(
        profile(
            tensor_parallel_size=3,
            pipeline_parallel_size=64,
            max_model_len=8192,
            quantization="int8",
        ),
        facts(layers=40),
    )
    words = ["64 attention heads", "40 layers", "positions", "int8"]
    assert all(word in reason for word, reason in zip(words, found, strict=True))
    assert all("\n" not in reason for reason in found)


def test_refusals_end_with_the_exit_code_of_a_preflight():
    with pytest.raises(PlanError) as refused:
        make(profile(tensor_parallel_size=3), facts())
    assert refused.value.exit_code is ExitCode.PREFLIGHT_REFUSED


def test_the_67b_heads_do_not_divide_over_three_gpus():
    (reason,) = reasons(profile(A100 | {"count": 3}, tensor_parallel_size=3), facts())
    assert "64 attention heads" in reason
    assert "such as 2" in reason


@pytest.mark.parametrize(("tensor", "possible"), [(1, True), (2, True), (4, True), (7, False), (14, False), (28, True)])
def test_key_value_heads_are_shared_or_copied_equally(tensor, possible):
    asked = profile(A100 | {"count": tensor}, tensor_parallel_size=tensor)
    qwen = facts("deepseek-r1-distill-qwen-7b")
    if possible:
        make(asked, qwen)
    else:
        assert "key/value heads" in reasons(asked, qwen)[0]


def test_copied_key_value_heads_are_worth_a_note():
    qwen = facts("deepseek-r1-distill-qwen-7b")
    assert "copied 7 times" in notes(profile(A100 | {"count": 28}, tensor_parallel_size=28), qwen)
    assert notes(profile(A100 | {"count": 4}, tensor_parallel_size=4), qwen) == ""


def test_latent_attention_has_no_key_value_heads_to_share():
    assert "key/value" not in notes(profile(H100), facts("deepseek-v3"))


def test_uneven_pipeline_stages_are_worth_a_note():
    assert "hold 48" in notes(profile(tensor_parallel_size=4, pipeline_parallel_size=2), facts())
    assert notes(profile(A100 | {"count": 5}, tensor_parallel_size=1, pipeline_parallel_size=5), facts()) == ""


def test_w4_groups_of_the_67b_do_not_divide_over_eight_gpus():
    quantized = facts(quantization="compressed-tensors", quantization_group=128)
    assert "22016" in notes(profile(), quantized)
    assert "22016" not in notes(profile(tensor_parallel_size=4), quantized)


def test_the_usual_group_is_assumed_for_legacy_checkpoints():
    assert "22016" in notes(profile(quantization="gptq"), facts())


def test_fp8_blocks_of_v3_divide_over_16_gpus_and_not_over_32():
    def asked(count: int) -> Profile:
        return profile(H100 | {"count": count}, tensor_parallel_size=count)

    assert "group" not in notes(asked(16), facts("deepseek-v3"))
    assert "18432" in notes(asked(32), facts("deepseek-v3"))


def test_a_declared_quantization_must_not_be_given_again():
    (reason,) = reasons(profile(H100, quantization="fp8"), facts("deepseek-v3"))
    assert "set it to none" in reason


def test_int8_is_not_made_while_loading():
    assert "llm-compressor" in reasons(profile(quantization="int8"), facts())[0]


@pytest.mark.parametrize("method", ["fp8", "gptq", "awq", "bitsandbytes"])
def test_nothing_quantized_runs_on_mi250x(method):
    assert "MI250X runs nothing quantized" in reasons(profile(MI250X, quantization=method), facts())[0]
    assert "MI250X runs nothing quantized" in reasons(profile(MI250X), facts(quantization="compressed-tensors"))[0]


@pytest.mark.parametrize("hardware", [MI300X, CPU | {"count": 1}])
def test_bitsandbytes_runs_on_nvidia_only(hardware):
    asked = profile(hardware, quantization="bitsandbytes", kv_cache_bytes=2**30)
    assert "bitsandbytes" in reasons(asked, facts())[0]


def test_a_quantized_bitsandbytes_checkpoint_is_not_cut_by_tp():
    assert "TP 8" in reasons(profile(), facts(quantization="bitsandbytes"))[0]
    assert "vllm-bnb-plugin" in notes(profile(quantization="bitsandbytes"), facts())


@pytest.mark.parametrize(
    ("hardware", "method", "words"),
    [
        (A100, "fp8", "no FP8 cores"),
        (MI300X, "gptq", "ROCm code accepts gptq"),
        (A100, "awq", "quantize_config.json"),
        (CPU, "fp8", "AMX"),
    ],
)
def test_what_works_with_a_reservation_is_noted(hardware, method, words):
    assert words in notes(profile(hardware, quantization=method, kv_cache_bytes=2**30), facts())


def test_fp8_on_hopper_needs_no_note():
    assert notes(profile(H100, quantization="fp8"), facts()) == ""


@pytest.mark.parametrize("hardware", [A100, A100 | {"gpu": "NVIDIA L40S"}, CPU])
def test_sparse_attention_needs_hopper(hardware):
    sparse = facts("deepseek-v3", architecture="DeepseekV32ForCausalLM")
    assert "sparse attention" in reasons(profile(hardware, kv_cache_bytes=2**30), sparse)[0]
    assert "sparse" not in notes(profile(H100), sparse)


@pytest.mark.parametrize(("listen", "sockets"), [("unix", 2), ("loopback", 1)])
def test_a_home_whose_sockets_have_too_long_names_is_refused(listen, sockets):
    asked = profile()
    asked = asked.model_copy(update={"gateway": asked.gateway.model_copy(update={"listen": Listen(listen)})})
    with pytest.raises(PlanError) as refused:
        plan.make(asked, Places(Path("/srv"), Path("/run") / ("x" * 100)), facts(), None, "0.32.0")
    assert len(refused.value.reasons) == sockets
    assert all("107" in reason for reason in refused.value.reasons)


def test_several_processes_on_one_cpu_are_worth_a_note():
    asked = profile(CPU | {"count": 2}, tensor_parallel_size=2, kv_cache_bytes=2**30)
    assert "VLLM_CPU_OMP_THREADS_BIND" in notes(asked, facts())


def test_latent_attention_on_cpu_is_worth_a_note():
    assert "prefix caching" in notes(profile(CPU, kv_cache_bytes=2**30), facts("deepseek-v2-lite-chat"))


def test_tools_need_a_chat_template_that_shows_them():
    assert "tool calls are off" in notes(profile(H100, model="deepseek-v3"))
    assert "tool calls" not in notes(
        profile(H100, model="deepseek-v3", extra_arguments=["--chat-template=/srv/tools.jinja"])
    )
