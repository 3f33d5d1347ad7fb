"""What a `config.json` says, for each family and each way of being wrong."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import ModelError
from deepseek_local.models.facts import MLA, Experts, facts_from_config

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 95,
    "hidden_size": 8192,
    "intermediate_size": 22016,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 102400,
    "max_position_embeddings": 4096,
}
V2_LITE = LLAMA | {
    "architectures": ["DeepseekV2ForCausalLM"],
    "kv_lora_rank": 512,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "n_routed_experts": 64,
    "num_experts_per_tok": 6,
    "n_shared_experts": 2,
    "moe_intermediate_size": 1408,
    "first_k_dense_replace": 1,
}


def test_a_dense_model_is_read():
    facts = facts_from_config(LLAMA)
    assert (facts.layers, facts.heads, facts.kv_heads, facts.head_dim) == (95, 64, 8, 128)
    assert facts.mla is None
    assert facts.experts is None
    assert facts.quantization is None


def test_without_key_value_heads_every_head_has_its_own():
    config = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    assert facts_from_config(config).kv_heads == 64


def test_latent_attention_and_experts_are_read():
    facts = facts_from_config(V2_LITE)
    assert facts.mla == MLA(query_rank=None, kv_rank=512, nope_dim=128, rope_dim=64, value_dim=128)
    assert facts.experts == Experts(routed=64, active=6, shared=2, intermediate=1408, dense_first=1)
    assert facts.head_dim == 192


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [
        ({"rope_type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}, 163840),
        ({"type": "linear", "factor": 4.0}, 16384),
        ({"type": "dynamic", "factor": 2}, 8192),
        ({"rope_type": "llama3", "factor": 8.0}, 4096),
        ({"rope_type": "default", "rope_theta": 10000}, 4096),
        (None, 4096),
    ],
)
def test_rope_scaling_stretches_the_context(scaling, longest):
    assert facts_from_config(LLAMA | {"rope_scaling": scaling}).max_position_embeddings == longest


@pytest.mark.parametrize(
    ("declared", "method", "group"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", 128),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "fp8", None),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq", 128),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "gptq", None),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"group_size": 64}}}},
            "compressed-tensors",
            64,
        ),
        ({"config_groups": {}}, "compressed-tensors", None),
    ],
)
def test_the_declared_quantization_is_read(declared, method, group):
    facts = facts_from_config(LLAMA | {"quantization_config": declared})
    assert (facts.quantization, facts.quantization_group) == (method, group)


@pytest.mark.parametrize("key", [key for key in LLAMA if key != "num_key_value_heads"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ModelError, match=key):
        facts_from_config({name: value for name, value in LLAMA.items() if name != key})


@pytest.mark.parametrize("key", [key for key in V2_LITE if key.startswith(("qk_", "v_head", "num_experts", "moe_"))])
def test_a_missing_key_of_a_family_is_named(key):
    with pytest.raises(ModelError, match=key):
        facts_from_config({name: value for name, value in V2_LITE.items() if name != key})


@pytest.mark.parametrize("value", ["64", 64.0, True, 0, -1, [64]])
def test_a_number_of_the_wrong_kind_is_refused(value):
    with pytest.raises(ModelError, match="num_attention_heads"):
        facts_from_config(LLAMA | {"num_attention_heads": value})


@pytest.mark.parametrize("declared", ["fp8", {"quant_method": 8}])
def test_a_strange_quantization_is_refused(declared):
    with pytest.raises(ModelError, match="quant"):
        facts_from_config(LLAMA | {"quantization_config": declared})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [*V2_LITE, "rope_scaling", "quantization_config", "head_dim"]


strange_rope = st.fixed_dictionaries(
    {"type": st.sampled_from(["yarn", "linear"]), "factor": st.floats() | st.integers() | st.text(max_size=2)}
)


@given(st.dictionaries(st.sampled_from(KEYS), json_values | strange_rope, max_size=4))
def test_no_configuration_escapes_as_another_error(change):
    with suppress(ModelError):
        facts_from_config(V2_LITE | change)
