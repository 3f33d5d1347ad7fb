"""
From a profile to a plan: what will be started, or every reason why the engine could not do it.

What can never work, whatever the model, `profile.rules` has refused already. The checks here are coarse and honest:
divisibility, the longest context, and what vLLM supports on which hardware (`vllm/model_executor/layers/linear.py`,
`vllm/platforms/*.py`). Whether the weights fit is not decided here.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import PlanError
from deepseek_local.models.card import ModelCard, names
from deepseek_local.models.facts import ModelFacts
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Engine, Hardware, Profile, Quantization, Vendor

_NO_FP8_CORES = re.compile(r"\b(A100|A800|A30|A40|A10G?|V100|T4|RTX 30\d\d|RTX A\d000|Orin)\b")
_NO_SPARSE_ATTENTION = re.compile(rf"{_NO_FP8_CORES.pattern}|\b(L4|L40S?|RTX 40\d\d)\b")
_SPARSE = ("DeepseekV32ForCausalLM", "DeepseekV4ForCausalLM", "DeepseekV41ForCausalLM")
_NOTHING_QUANTIZED = re.compile(r"\bMI2\d\d")
_USUAL_GROUP = 128
_LONGEST_SOCKET_PATH = 107
"""`sun_path` holds 108 bytes with its closing zero (unix(7))."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be started; `engine.args` and `engine.environment` turn it into a command."""

    profile: Profile
    places: Places
    model_path: Path
    card: ModelCard | None
    facts: ModelFacts | None
    """From the checkpoint where it was seen, else from the card."""
    engine_version: str
    notes: tuple[str, ...]
    """What works, but not as the reader of the profile may expect."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """The engine cannot do this; the sentence ends with the remedy."""

    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """The engine can do this, and it is worth a sentence."""

    text: str


Finding = Impossible | Note


def make(
    profile: Profile, places: Places, facts: ModelFacts | None, card: ModelCard | None, engine_version: str
) -> Plan:
    """
    Return the plan; `facts` come from the checkpoint, and None when it has not been seen.

    Raises `PlanError` with every impossibility.
    """
    known = facts or (card.facts if card else None)
    findings = [*_places(profile, places), *_model(profile, facts, card), *_processes(profile)]
    if known is not None:
        findings += [*_parallel(profile.engine, known), *_context(profile.engine, known)]
        findings += [*_attention(profile.hardware, known), *_groups(profile.engine, known)]
    findings += _quantization(profile, known)
    if reasons := [finding.reason for finding in findings if isinstance(finding, Impossible)]:
        raise PlanError(reasons)
    notes = tuple(finding.text for finding in findings if isinstance(finding, Note))
    return Plan(profile, places, places.model(profile), card, known, engine_version, notes)


def _model(profile: Profile, facts: ModelFacts | None, card: ModelCard | None) -> Iterator[Finding]:
    if profile.model.card is not None and card is None:
        yield Impossible(
            f"model.card {profile.model.card!r} is not in the catalogue: choose one of {', '.join(names())}"
        )
    if card is None and facts is None:
        yield Note("nothing is known about the architecture yet, so parallel sizes and context are left to the engine")
    if card is not None and facts is not None and _shape(card.facts) != _shape(facts):
        yield Impossible(
            f"the checkpoint is no {card.name}: it has {_shape(facts)} where the card says {_shape(card.facts)}; "
            "correct model.path, name another model.card, or none with --set model.card=null"
        )
    chosen = any(argument.startswith("--chat-template=") for argument in profile.engine.extra_arguments)
    if card is not None and card.tool_template is not None and not chosen:
        yield Note(
            f"tool calls are off: the tokenizer's own chat template does not show tools to the model; add "
            f"--chat-template=/path/to/{card.tool_template} to engine.extra_arguments to switch them on"
        )


def _shape(facts: ModelFacts) -> str:
    return f"{facts.layers} layers of {facts.hidden} with {facts.heads} heads ({facts.architecture})"


def _places(profile: Profile, places: Places) -> Iterator[Finding]:
    sockets = [places.audit_socket]
    sockets += [places.front_socket(profile)] if profile.gateway.listen is Listen.UNIX else []
    for socket in sockets:
        if (length := len(os.fsencode(socket))) > _LONGEST_SOCKET_PATH:
            yield Impossible(
                f"the socket path {socket} has {length} bytes, but Unix allows {_LONGEST_SOCKET_PATH}: choose a home "
                "directory with a shorter path"
            )


def _processes(profile: Profile) -> Iterator[Finding]:
    count = profile.engine.tensor_parallel_size * profile.engine.pipeline_parallel_size
    if profile.hardware.vendor is Vendor.CPU and count > 1:
        yield Note(
            f"{count} processes compute: the engine gives each a NUMA node and does not start with fewer nodes; then set "
            "VLLM_CPU_OMP_THREADS_BIND in engine.environment to the cores of each, such as '0-3|4-7'"
        )


def _parallel(engine: Engine, facts: ModelFacts) -> Iterator[Finding]:
    tensor, pipeline = engine.tensor_parallel_size, engine.pipeline_parallel_size
    if facts.heads % tensor:
        yield Impossible(
            f"{facts.heads} attention heads cannot be shared equally by {tensor} GPUs: set engine.tensor_parallel_size "
            f"to a divisor of {facts.heads}, such as {_divisor_below(facts.heads, tensor)}"
        )
    elif facts.mla is None:
        yield from _kv_heads(tensor, facts.kv_heads)
    if facts.layers < pipeline:
        yield Impossible(
            f"{facts.layers} layers cannot fill {pipeline} pipeline stages: set engine.pipeline_parallel_size to at most "
            f"{facts.layers}"
        )
    elif facts.layers % pipeline:
        yield Note(
            f"{facts.layers} layers over {pipeline} pipeline stages are uneven: the fuller stages hold "
            f"{facts.layers // pipeline + 1} and set the pace"
        )


def _kv_heads(tensor: int, heads: int) -> Iterator[Finding]:
    if max(tensor, heads) % min(tensor, heads):
        yield Impossible(
            f"{heads} key/value heads cannot be shared or copied equally by {tensor} GPUs: set "
            f"engine.tensor_parallel_size to a divisor or a multiple of {heads}"
        )
    elif tensor > heads:
        yield Note(
            f"{heads} key/value heads are copied {tensor // heads} times to reach {tensor} GPUs: the KV cache per GPU does "
            f"not shrink beyond TP {heads}"
        )


def _divisor_below(number: int, limit: int) -> int:
    return next(size for size in range(limit, 0, -1) if number % size == 0)


def _context(engine: Engine, facts: ModelFacts) -> Iterator[Finding]:
    if engine.max_model_len > facts.max_position_embeddings:
        yield Impossible(
            f"engine.max_model_len is {engine.max_model_len}, but the model knows only {facts.max_position_embeddings} "
            f"positions: set it to at most {facts.max_position_embeddings}"
        )


def _attention(hardware: Hardware, facts: ModelFacts) -> Iterator[Finding]:
    on_cpu = hardware.vendor is Vendor.CPU
    if facts.architecture in _SPARSE and (on_cpu or _NO_SPARSE_ATTENTION.search(hardware.gpu)):
        yield Impossible(
            f"{facts.architecture} uses sparse attention, which vLLM does not have for {hardware.gpu}: use Hopper or "
            "Blackwell GPUs, or a model up to DeepSeek-V3.1"
        )
    elif facts.mla is not None and on_cpu:
        yield Note("without AMX, vLLM switches prefix caching and chunked prefill off for this model on CPU")


def _groups(engine: Engine, facts: ModelFacts) -> Iterator[Finding]:
    """Weights are cut by TP along the input of the output projections; a cut through a group has no scale of its own."""
    group = facts.quantization_group
    if group is None and engine.quantization in (Quantization.GPTQ, Quantization.AWQ):
        group = _USUAL_GROUP
    if group is None:
        return
    inputs = [facts.heads * (facts.mla.value_dim if facts.mla else facts.head_dim)]
    inputs += [facts.intermediate] if facts.experts is None or facts.experts.dense_first else []
    inputs += [facts.experts.intermediate] if facts.experts else []
    for size in inputs:
        if size % (engine.tensor_parallel_size * group):
            yield Note(
                f"a dimension of {size}, cut by TP {engine.tensor_parallel_size}, ends inside a quantization group of "
                f"{group}: the engine may refuse these weights or use slow kernels; choose a TP or a group that divides it"
            )
            return


def _quantization(profile: Profile, facts: ModelFacts | None) -> Iterator[Finding]:
    asked = profile.engine.quantization
    declared = facts.quantization if facts else None
    if declared is not None and asked is not Quantization.NONE:
        yield Impossible(
            f"engine.quantization is {asked}, but the checkpoint declares {declared} itself: set it to none, the engine "
            "reads the method from the checkpoint"
        )
    if asked is Quantization.INT8:
        yield Impossible(
            "engine.quantization int8 cannot be made while loading: convert the checkpoint beforehand (llm-compressor, "
            "W8A8) and set it to none"
        )
    elif declared is None and asked in (Quantization.GPTQ, Quantization.AWQ):
        yield Note(
            f"{asked} works only with weights already quantized that way, their quantize_config.json beside them"
        )
    method = declared or (None if asked is Quantization.NONE else str(asked))
    if method is not None:
        yield from _supported(profile.hardware, method)
    if method == Quantization.BITSANDBYTES:
        yield from _bitsandbytes(profile.engine, declared=declared is not None)


def _supported(hardware: Hardware, method: str) -> Iterator[Finding]:
    match hardware.vendor:
        case Vendor.AMD if _NOTHING_QUANTIZED.search(hardware.gpu):
            yield Impossible(
                f"{hardware.gpu} runs nothing quantized, but this is {method}: take a BF16 or FP16 checkpoint"
            )
        case Vendor.AMD if method in ("bitsandbytes", "int8"):
            yield Impossible(f"{method} runs on NVIDIA GPUs only: take a BF16 or FP8 checkpoint for {hardware.gpu}")
        case Vendor.AMD if method in ("gptq", "awq"):
            yield Note(f"vLLM's ROCm code accepts {method}, its documentation does not list it: check the answers")
        case Vendor.CPU if method == "bitsandbytes":
            yield Impossible("bitsandbytes does not run on vLLM's CPU backend: take a BF16, GPTQ or AWQ checkpoint")
        case Vendor.CPU if method == "fp8":
            yield Note("FP8 with blocks needs a CPU with AMX (Sapphire Rapids or later)")
        case Vendor.NVIDIA if method == "fp8" and _NO_FP8_CORES.search(hardware.gpu):
            yield Note(
                f"{hardware.gpu} has no FP8 cores: FP8 saves memory there, not time, and can be slower than BF16"
            )


def _bitsandbytes(engine: Engine, *, declared: bool) -> Iterator[Finding]:
    if declared and engine.tensor_parallel_size > 1:
        yield Impossible(
            f"a checkpoint already quantized by bitsandbytes cannot be cut by TP {engine.tensor_parallel_size}: set "
            "engine.tensor_parallel_size to 1 and use pipeline_parallel_size, or start from the BF16 checkpoint"
        )
    yield Note("from vLLM 0.28 on, bitsandbytes needs the package vllm-bnb-plugin")
