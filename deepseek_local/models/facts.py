"""
The numbers of an architecture, as far as launching needs them; read from a Hugging Face `config.json` or from a model card.

Names of the keys: `transformers` 5 and the DeepSeek-V2/V3 configuration files. The longest context follows
`vllm/config/model.py`: RoPE scaling stretches what `max_position_embeddings` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deepseek_local.errors import ModelError

_MOST = 2**40
"""No dimension comes near it; larger numbers are mistakes, and arithmetic on them could overflow."""


@dataclass(frozen=True, slots=True)
class MLA:
    """Ranks and dimensions of multi-head latent attention (DeepSeek-V2 and later)."""

    query_rank: int | None
    """Rank of the compressed query; None when queries are not compressed (V2-Lite)."""
    kv_rank: int
    """Rank of the compressed keys and values: what the cache holds, with the rotary part."""
    nope_dim: int
    """Part of a query head without position."""
    rope_dim: int
    """Rotary part of a query head, shared by all heads in the cache."""
    value_dim: int
    """Dimension of a value head."""


@dataclass(frozen=True, slots=True)
class Experts:
    """Mixture-of-experts layers."""

    routed: int
    active: int
    """Routed experts that one token visits."""
    shared: int
    intermediate: int
    """Inner dimension of one expert."""
    dense_first: int
    """Leading layers without experts."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One architecture. Dimensions are those of the whole model, before any GPU takes its share."""

    architecture: str
    """Class name in `architectures`, such as `LlamaForCausalLM`."""
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    """Key/value heads as configured; without meaning for MLA, which caches one latent vector for all heads."""
    head_dim: int
    vocabulary: int
    max_position_embeddings: int
    """Longest context, RoPE scaling included."""
    mla: MLA | None = None
    experts: Experts | None = None
    quantization: str | None = None
    """Method that the checkpoint declares itself, such as `fp8`, `gptq` or `compressed-tensors`."""
    quantization_group: int | None = None
    """Neighbouring weights of one row that share a scale, where the method has groups or blocks."""


def facts_from_config(config: Mapping[str, object]) -> ModelFacts:
    """
    Read the facts out of a parsed `config.json`.

    Raises `ModelError` naming the key that is missing or does not hold what it should.
    """
    heads = _count(config, "num_attention_heads")
    mla = _mla(config)
    method, group = _quantization(config)
    return ModelFacts(
        architecture=_architecture(config),
        layers=_count(config, "num_hidden_layers"),
        hidden=_count(config, "hidden_size"),
        intermediate=_count(config, "intermediate_size"),
        heads=heads,
        kv_heads=_count(config, "num_key_value_heads", heads),
        head_dim=_head_dim(config, heads, mla),
        vocabulary=_count(config, "vocab_size"),
        max_position_embeddings=_context(config),
        mla=mla,
        experts=_experts(config),
        quantization=method,
        quantization_group=group,
    )


def _count(config: Mapping[str, object], key: str, default: int | None = None, least: int = 1) -> int:
    value = config.get(key)
    if value is None and default is not None:
        return default
    if value is None:
        raise ModelError(f"config.json has no {key!r}: it does not describe a decoder model that this kit can plan for")
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise ModelError(f"config.json: {key!r} must be a whole number from {least} to {_MOST}, not {value!r:.40}")
    return value


def _architecture(config: Mapping[str, object]) -> str:
    value = config.get("architectures")
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value[0]
    raise ModelError(f"config.json: 'architectures' must be a list with the name of the model class, not {value!r}")


def _head_dim(config: Mapping[str, object], heads: int, mla: MLA | None) -> int:
    if mla is not None:
        return mla.nope_dim + mla.rope_dim
    return _count(config, "head_dim", _count(config, "hidden_size") // heads)


def _mla(config: Mapping[str, object]) -> MLA | None:
    if config.get("kv_lora_rank") is None:
        return None
    return MLA(
        query_rank=None if config.get("q_lora_rank") is None else _count(config, "q_lora_rank"),
        kv_rank=_count(config, "kv_lora_rank"),
        nope_dim=_count(config, "qk_nope_head_dim"),
        rope_dim=_count(config, "qk_rope_head_dim"),
        value_dim=_count(config, "v_head_dim"),
    )


def _experts(config: Mapping[str, object]) -> Experts | None:
    if config.get("n_routed_experts") is None:
        return None
    return Experts(
        routed=_count(config, "n_routed_experts"),
        active=_count(config, "num_experts_per_tok"),
        shared=_count(config, "n_shared_experts", 0, least=0),
        intermediate=_count(config, "moe_intermediate_size"),
        dense_first=_count(config, "first_k_dense_replace", 0, least=0),
    )


def _context(config: Mapping[str, object]) -> int:
    longest = _count(config, "max_position_embeddings")
    rope = config.get("rope_scaling") or config.get("rope_parameters")
    if not isinstance(rope, Mapping):
        return longest
    factor = rope.get("factor")
    if not isinstance(factor, (int, float)) or not 0 < factor <= _MOST:
        return longest
    match rope.get("rope_type") or rope.get("type"):
        case "yarn":
            return int(_count(rope, "original_max_position_embeddings", longest) * factor)
        case "linear" | "dynamic":
            return int(longest * factor)
    return longest


def _quantization(config: Mapping[str, object]) -> tuple[str | None, int | None]:
    declared = config.get("quantization_config") or config.get("compression_config")
    if declared is None:
        return None, None
    if not isinstance(declared, Mapping):
        raise ModelError(f"config.json: 'quantization_config' must be an object, not {declared!r}")
    method = declared.get("quant_method", "compressed-tensors")
    if not isinstance(method, str):
        raise ModelError(f"config.json: 'quant_method' must be the name of a method, not {method!r}")
    return method, _group(declared)


def _group(declared: Mapping[str, object]) -> int | None:
    """Find the group size: GPTQ and AWQ keep it on top, FP8 as a block, compressed-tensors inside the first of its groups."""
    block = declared.get("weight_block_size")
    if isinstance(block, list) and block and isinstance(block[-1], int):
        return block[-1]
    groups = declared.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = first.get("weights") if isinstance(first, Mapping) else None
    size = weights.get("group_size") if isinstance(weights, Mapping) else declared.get("group_size")
    return size if isinstance(size, int) and size > 0 else None
