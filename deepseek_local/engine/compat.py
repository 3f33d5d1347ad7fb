"""
Which engine version knows which of the flags that we use.

Read in the argument parsers of vLLM 0.26.0, 0.27.1, 0.28.0, 0.29.0, 0.30.0, 0.31.0, 0.32.0 and 0.33.0 (`engine/arg_utils.py` and
`cli_args.py`, which has moved twice). What the flags mean did not change in between, with one exception: the default of
`--allowed-origins` was `["*"]` before 0.32, and we always give it.
"""

import re

from deepseek_local.errors import PlanError

OLDEST = (0, 26)
NEWEST = (0, 33)

REFERENCE = "0.32.0"
"""What is assumed when no engine is installed, and what the tests run."""

ALWAYS = frozenset(
    {
        "--all2all-backend",
        "--allowed-origins",
        "--api-server-count",
        "--async-scheduling",
        "--attention-backend",
        "--block-size",
        "--chat-template",
        "--chat-template-content-format",
        "--compilation-config",
        "--cpu-offload-gb",
        "--cudagraph-metrics",
        "--data-parallel-size",
        "--decode-context-parallel-size",
        "--default-chat-template-kwargs",
        "--disable-cascade-attn",
        "--disable-custom-all-reduce",
        "--disable-fastapi-docs",
        "--disable-uvicorn-access-log",
        "--distributed-executor-backend",
        "--dtype",
        "--enable-auto-tool-choice",
        "--enable-chunked-prefill",
        "--enable-ep-weight-filter",
        "--enable-eplb",
        "--enable-expert-parallel",
        "--enable-flashinfer-autotune",
        "--enable-force-include-usage",
        "--enable-mfu-metrics",
        "--enable-per-request-metrics",
        "--enable-prefix-caching",
        "--enable-prompt-tokens-details",
        "--enforce-eager",
        "--eplb-config",
        "--fingerprint-mode",
        "--generation-config",
        "--gpu-memory-utilization",
        "--host",
        "--kv-cache-dtype",
        "--kv-cache-memory-bytes",
        "--kv-cache-metrics",
        "--linear-backend",
        "--load-format",
        "--long-prefill-token-threshold",
        "--max-cudagraph-capture-size",
        "--max-log-len",
        "--max-logprobs",
        "--max-model-len",
        "--max-num-batched-tokens",
        "--max-num-seqs",
        "--max-parallel-loading-workers",
        "--middleware",
        "--model-impl",
        "--model-loader-extra-config",
        "--moe-backend",
        "--no-async-scheduling",
        "--no-enable-chunked-prefill",
        "--no-enable-flashinfer-autotune",
        "--no-enable-log-outputs",
        "--no-enable-log-requests",
        "--no-enable-prefix-caching",
        "--no-enable-prompt-embeds",
        "--no-enforce-eager",
        "--no-log-error-stack",
        "--no-trust-remote-code",
        "--no-trust-request-chat-template",
        "--numa-bind",
        "--optimization-level",
        "--override-generation-config",
        "--performance-mode",
        "--pipeline-parallel-size",
        "--port",
        "--prefix-caching-hash-algo",
        "--quantization",
        "--reasoning-parser",
        "--runner",
        "--safetensors-load-strategy",
        "--scheduling-policy",
        "--seed",
        "--served-model-name",
        "--shutdown-timeout",
        "--spec-method",
        "--spec-tokens",
        "--stream-interval",
        "--tensor-parallel-size",
        "--tool-call-parser",
        "--uds",
        "--uvicorn-log-level",
    }
)
"""Known to every version from `OLDEST` to `NEWEST`."""

SINCE = {
    "--long-prefill-token-threshold-adaptive": (0, 31),
    "--max-num-active-seqs": (0, 31),
    "--max-num-queued-reqs": (0, 29),
    "--max-num-queued-tokens": (0, 29),
    "--sse-keep-alive-interval": (0, 29),
}
"""The version that brought a flag."""


def release(version: str) -> tuple[int, int]:
    """
    Return major and minor number of a version such as `0.32.0` or `0.33.1rc1+cpu`.

    Raises `PlanError` when it is no version, or one that this kit does not know.
    """
    match = re.match(r"(\d+)\.(\d+)(?![0-9])", version)
    if match is None:
        raise PlanError([f"the engine calls itself version {version!r}, which is no version number: install vLLM anew"])
    found = (int(match[1]), int(match[2]))
    if not OLDEST <= found <= NEWEST:
        raise PlanError(
            [
                f"vLLM {version} is installed, but this kit knows {_text(OLDEST)} to {_text(NEWEST)}: install vllm=={REFERENCE}"
            ]
        )
    return found


def known_flags(version: str) -> frozenset[str]:
    """Return which of our flags a version has. Raises `PlanError` for a version outside of our range."""
    found = release(version)
    return ALWAYS | {flag for flag, since in SINCE.items() if since <= found}


def first_version(flag: str) -> str:
    """Return the first version that has a flag, in words for a message."""
    return _text(SINCE.get(flag, OLDEST))


def _text(found: tuple[int, int]) -> str:
    return f"{found[0]}.{found[1]}"
