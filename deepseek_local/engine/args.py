"""
From a plan to the engine's command line: one small function per family of flags, every flag explicit, no default relied on.

Each argument is one token, `--flag=value`: a value can then neither be taken for a flag nor for the model
(`vllm/utils/argparse_utils.py`). What the profile adds comes before what the kit decides, so that of two the kit's would win.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deepseek_local.engine import environment, extra
from deepseek_local.errors import PlanError
from deepseek_local.plan import Plan
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.schema import Executor, Profile, Quantization, Vendor

LAUNCHER = ("-m", "deepseek_local.engine.launcher")
MIDDLEWARE = "deepseek_local.gateway.PolicyMiddleware"

_QUANTIZATION = {
    # On weights that are not quantized, the engine's `fp8` is an error; this is the method that quantizes while loading.
    Quantization.FP8: "fp8_per_channel",
    Quantization.GPTQ: "gptq",
    Quantization.AWQ: "awq",
    Quantization.BITSANDBYTES: "bitsandbytes",
}
_REPLACEABLE = frozenset(
    {
        "--enable-auto-tool-choice",
        "--generation-config",
        "--load-format",
        "--reasoning-parser",
        "--tool-call-parser",
    }
)
"""Flags of ours that give way when the profile gives the same."""

_HIGHEST_LOGPROBS = 20
"""What OpenAI's API allows; each costs a sort of the whole vocabulary."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How the engine is started: arguments of the Python interpreter, and the whole environment."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def build(plan: Plan, host_environment: Mapping[str, str]) -> Launch:
    """
    Return the launch of a plan on a host with these variables.

    Raises `PlanError` when the engine's version is unknown, or for every extra argument and variable that is refused.
    """
    if found := list(refusals(plan.profile, plan.engine_version)):
        raise PlanError(found)
    arguments = plan.profile.engine.extra_arguments
    own = [*_model(plan), *_parsers(plan), *_quantization(plan), *_parallel(plan), *_scheduler(plan), *_cache(plan)]
    given = {extra.flag_of(argument) for argument in arguments}
    own = [argument for argument in own if extra.flag_of(argument) not in given & _REPLACEABLE]
    decided = [*_compilation(plan), *_listen(plan), *_front_door(plan), *_log()]
    argv = (*LAUNCHER, "serve", str(plan.model_path), *own, *arguments, *decided)
    return Launch(argv, environment.build(plan, host_environment))


def refusals(profile: Profile, engine_version: str) -> Iterator[str]:
    """Say what the profile may not give to this engine, in one sentence each. Raises `PlanError` when its version is unknown."""
    yield from extra.problems(profile.engine.extra_arguments, engine_version)
    yield from environment.problems(profile)


def _model(plan: Plan) -> Iterator[str]:
    profile = plan.profile
    yield f"--served-model-name={profile.model.served_name}"
    yield "--runner=generate"
    # Without it, an architecture that vLLM does not have would be run by transformers, slowly and unnoticed.
    yield "--model-impl=vllm"
    yield "--no-trust-remote-code"
    bitsandbytes = profile.engine.quantization is Quantization.BITSANDBYTES
    # Never `auto`, which falls back to pickles.
    yield f"--load-format={'bitsandbytes' if bitsandbytes else 'safetensors'}"
    yield f"--dtype={profile.engine.dtype}"
    yield f"--max-model-len={profile.engine.max_model_len}"
    # Sampling defaults are the model's own; its generation_config.json is part of the revision.
    yield "--generation-config=auto"


def _parsers(plan: Plan) -> Iterator[str]:
    card = plan.card
    if card is None:
        return
    if card.reasoning_parser is not None:
        yield f"--reasoning-parser={card.reasoning_parser}"
    chosen = any(extra.flag_of(argument) == "--chat-template" for argument in plan.profile.engine.extra_arguments)
    if card.tool_parser is not None and (chosen or card.tool_template is None):
        yield "--enable-auto-tool-choice"
        yield f"--tool-call-parser={card.tool_parser}"


def _quantization(plan: Plan) -> Iterator[str]:
    if (method := _QUANTIZATION.get(plan.profile.engine.quantization)) is not None:
        yield f"--quantization={method}"


def _parallel(plan: Plan) -> Iterator[str]:
    engine = plan.profile.engine
    yield f"--tensor-parallel-size={engine.tensor_parallel_size}"
    yield f"--pipeline-parallel-size={engine.pipeline_parallel_size}"
    yield "--data-parallel-size=1"
    yield f"--distributed-executor-backend={_executor(plan)}"
    yield f"--api-server-count={engine.api_servers}"


def _executor(plan: Plan) -> str:
    """A single GPU is driven by the engine's own process (`uni`): a worker apart would only cost a copy of every step."""
    engine = plan.profile.engine
    alone = engine.tensor_parallel_size * engine.pipeline_parallel_size == 1
    if engine.executor is Executor.MP and alone and plan.profile.hardware.vendor is not Vendor.CPU:
        return "uni"
    return str(engine.executor)


def _scheduler(plan: Plan) -> Iterator[str]:
    engine = plan.profile.engine
    yield f"--max-num-seqs={engine.max_num_seqs}"
    yield f"--max-num-batched-tokens={engine.max_num_batched_tokens}"


def _cache(plan: Plan) -> Iterator[str]:
    engine = plan.profile.engine
    yield "--enable-prefix-caching" if engine.prefix_caching else "--no-enable-prefix-caching"
    if engine.kv_cache_bytes is not None:
        yield f"--kv-cache-memory-bytes={engine.kv_cache_bytes}"
    if engine.gpu_memory_utilization is not None:
        yield f"--gpu-memory-utilization={engine.gpu_memory_utilization}"


def _compilation(plan: Plan) -> Iterator[str]:
    eager = plan.profile.engine.enforce_eager
    yield "--enforce-eager" if eager else "--no-enforce-eager"
    if plan.profile.hardware.vendor is Vendor.CPU and not eager:
        # Pipelines do not run eagerly on CPU, and the default compiler answers wrongly there (measured with 0.32.0).
        yield '--compilation-config={"mode":3,"backend":"eager"}'


def _listen(plan: Plan) -> Iterator[str]:
    gateway = plan.profile.gateway
    if gateway.listen is Listen.UNIX:
        yield f"--uds={plan.places.front_socket(plan.profile)}"
    else:
        yield "--host=127.0.0.1"
        yield f"--port={gateway.port}"


def _front_door(plan: Plan) -> Iterator[str]:
    yield f"--middleware={MIDDLEWARE}"
    yield "--allowed-origins=[]"
    yield "--disable-fastapi-docs"
    # The default tells every client the engine's version and parallel sizes.
    yield "--fingerprint-mode=none"
    yield f"--max-logprobs={_HIGHEST_LOGPROBS}"
    yield "--no-enable-prompt-embeds"
    yield "--no-trust-request-chat-template"
    yield f"--shutdown-timeout={plan.profile.engine.drain_timeout_seconds}"


def _log() -> Iterator[str]:
    """No prompt, answer or query string reaches the log; the audit log tells who asked what."""
    yield "--no-enable-log-requests"
    yield "--no-enable-log-outputs"
    yield "--max-log-len=0"
    yield "--no-log-error-stack"
    yield "--disable-uvicorn-access-log"
    yield "--uvicorn-log-level=info"
