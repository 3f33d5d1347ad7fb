"""
The further engine arguments that a profile may give, each with the reason why it is harmless and wanted, and those refused by name.

Everything else is refused: an argument list is part of the front door, and vLLM's parser accepts abbreviations
(`vllm/utils/argparse_utils.py` leaves `allow_abbrev` on), so a list of forbidden ones could never be complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deepseek_local.engine.values import COUNT, FLAT_OBJECT, NAME, NUMBER, SWITCH, TEMPLATE, Kind, one_of


@dataclass(frozen=True, slots=True)
class Rule:
    """Which values a flag may have, and what it is good for."""

    kind: Kind
    reason: str


ALLOWED: Mapping[str, Rule] = {
    "--all2all-backend": Rule(NAME, "how experts on several GPUs exchange tokens"),
    "--async-scheduling": Rule(SWITCH, "schedule the next step while this one runs"),
    "--attention-backend": Rule(NAME, "choose a kernel where the automatic choice is slow"),
    "--block-size": Rule(COUNT, "tokens in one block of the KV cache"),
    "--chat-template": Rule(TEMPLATE, "a template of the operator, such as one that shows tools to the model"),
    "--chat-template-content-format": Rule(one_of("auto", "string", "openai"), "what a template expects"),
    "--cpu-offload-gb": Rule(NUMBER, "weights in host memory where the device has too little"),
    "--cudagraph-metrics": Rule(SWITCH, "one metric more"),
    "--decode-context-parallel-size": Rule(COUNT, "share the latent KV cache of MLA over GPUs"),
    "--default-chat-template-kwargs": Rule(FLAT_OBJECT, "switch thinking on by default (DeepSeek-V3.1)"),
    "--disable-cascade-attn": Rule(SWITCH, "avoid a kernel that changes results in the last bits"),
    "--disable-custom-all-reduce": Rule(SWITCH, "work around a broken peer-to-peer link"),
    "--enable-auto-tool-choice": Rule(SWITCH, "tool calls for a model without a card"),
    "--enable-chunked-prefill": Rule(SWITCH, "cut long prompts into steps"),
    "--enable-ep-weight-filter": Rule(SWITCH, "read only the experts of the own GPU: a quicker start"),
    "--enable-eplb": Rule(SWITCH, "balance experts over GPUs"),
    "--enable-expert-parallel": Rule(SWITCH, "whole experts on each GPU instead of slices"),
    "--enable-flashinfer-autotune": Rule(SWITCH, "measure kernels at start"),
    "--enable-force-include-usage": Rule(SWITCH, "token counts in every streamed chunk"),
    "--enable-mfu-metrics": Rule(SWITCH, "one metric more"),
    "--enable-per-request-metrics": Rule(SWITCH, "timings in every answer"),
    "--enable-prompt-tokens-details": Rule(SWITCH, "cached tokens in every answer"),
    "--eplb-config": Rule(FLAT_OBJECT, "redundant experts"),
    "--generation-config": Rule(one_of("auto", "vllm"), "sampling defaults of the model, or neutral ones"),
    "--kv-cache-dtype": Rule(
        one_of("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_ds_mla"), "a smaller KV cache"
    ),
    "--kv-cache-metrics": Rule(SWITCH, "metrics of block lifetimes"),
    "--linear-backend": Rule(NAME, "choose a kernel where the automatic choice is slow"),
    "--load-format": Rule(
        one_of("safetensors", "fastsafetensors", "instanttensor", "runai_streamer"), "faster readers of safetensors"
    ),
    "--long-prefill-token-threshold": Rule(COUNT, "keep long prompts from delaying running streams"),
    "--long-prefill-token-threshold-adaptive": Rule(SWITCH, "the same, by itself"),
    "--max-cudagraph-capture-size": Rule(COUNT, "fewer graphs: a quicker start and more memory"),
    "--max-num-active-seqs": Rule(COUNT, "bound what is admitted"),
    "--max-num-queued-reqs": Rule(COUNT, "answer 503 instead of queueing without end"),
    "--max-num-queued-tokens": Rule(COUNT, "answer 503 instead of queueing without end"),
    "--max-parallel-loading-workers": Rule(COUNT, "avoid running out of host memory while loading"),
    "--model-loader-extra-config": Rule(FLAT_OBJECT, "threads of a loader"),
    "--moe-backend": Rule(NAME, "choose a kernel where the automatic choice is slow"),
    "--no-async-scheduling": Rule(SWITCH, "work around a fault of the overlapping scheduler"),
    "--no-enable-chunked-prefill": Rule(SWITCH, "whole prompts in one step"),
    "--no-enable-flashinfer-autotune": Rule(SWITCH, "a quicker start"),
    "--numa-bind": Rule(SWITCH, "keep each worker near its GPU"),
    "--optimization-level": Rule(one_of("0", "1", "2", "3"), "trade start time against speed"),
    "--override-generation-config": Rule(FLAT_OBJECT, "other sampling defaults than the model's"),
    "--performance-mode": Rule(one_of("balanced", "interactivity", "throughput"), "a bundle of engine defaults"),
    "--prefix-caching-hash-algo": Rule(one_of("sha256", "sha256_cbor"), "hashes that FIPS allows"),
    "--reasoning-parser": Rule(NAME, "thinking apart from the answer, for a model without a card"),
    "--safetensors-load-strategy": Rule(one_of("lazy", "eager", "prefetch"), "faster loading from network disks"),
    "--scheduling-policy": Rule(one_of("fcfs", "priority"), "let the priority of a request count"),
    "--seed": Rule(COUNT, "repeatable sampling"),
    "--spec-method": Rule(one_of("mtp", "ngram", "suffix"), "speculation without a second model"),
    "--spec-tokens": Rule(COUNT, "tokens guessed at once"),
    "--sse-keep-alive-interval": Rule(COUNT, "keep proxies from closing silent streams"),
    "--stream-interval": Rule(COUNT, "fewer, larger chunks"),
    "--tool-call-parser": Rule(NAME, "tool calls for a model without a card"),
}

_FRONT_DOOR = "the front door must stay the only way in"
_CODE = "code of a model or a plug-in is never run"
_PROMPTS = "no prompt, answer or key may reach a log"
_RISK = "it opens a route or a way around the limits"

REFUSED: Mapping[str, str] = {
    "--allow-credentials": _FRONT_DOOR,
    "--allowed-headers": _FRONT_DOOR,
    "--allowed-local-media-path": _RISK,
    "--allowed-media-domains": _RISK,
    "--allowed-methods": _FRONT_DOOR,
    "--allowed-origins": _FRONT_DOOR,
    "--api-key": "vLLM's key guards only some routes; access is decided by tokens and policy",
    "--api-server-count": "set engine.api_servers instead",
    "--compilation-config": "it can name code to import; use --optimization-level or engine.enforce_eager",
    "--config": "a second file of settings would hide what is started",
    "--data-parallel-size": "start one profile per replica instead",
    "--device-memory-utilization": "set engine.gpu_memory_utilization instead",
    "--disable-access-log-for-endpoints": _PROMPTS,
    "--disable-log-stats": "the metrics depend on these statistics",
    "--distributed-executor-backend": "set engine.executor instead",
    "--dtype": "set engine.dtype instead",
    "--enable-log-outputs": _PROMPTS,
    "--enable-log-requests": _PROMPTS,
    "--enable-offline-docs": _RISK,
    "--enable-prefix-caching": "set engine.prefix_caching instead",
    "--enable-prompt-embeds": _RISK,
    "--enable-scale-out": _RISK,
    "--enable-sleep-mode": _RISK,
    "--enable-ssl-refresh": _FRONT_DOOR,
    "--enable-tokenizer-info-endpoint": _RISK,
    "--enforce-eager": "set engine.enforce_eager instead",
    "--fingerprint-mode": "answers must not tell version and parallel sizes",
    "--gpu-memory-utilization": "set engine.gpu_memory_utilization instead",
    "--grpc": _FRONT_DOOR,
    "--grpc-port": _FRONT_DOOR,
    "--headless": _FRONT_DOOR,
    "--hf-overrides": _CODE,
    "--hf-token": "nothing is downloaded",
    "--host": "set gateway.listen instead",
    "--kv-cache-memory-bytes": "set engine.kv_cache_bytes instead",
    "--log-config-file": _PROMPTS,
    "--log-error-stack": _PROMPTS,
    "--log-level": _PROMPTS,
    "--logging-config": _PROMPTS,
    "--logits-processors": _CODE,
    "--max-log-len": _PROMPTS,
    "--max-logprobs": _RISK,
    "--max-model-len": "set engine.max_model_len instead",
    "--max-num-batched-tokens": "set engine.max_num_batched_tokens instead",
    "--max-num-seqs": "set engine.max_num_seqs instead",
    "--middleware": _FRONT_DOOR,
    "--model": "set model.path instead",
    "--omni": "it starts another server",
    "--pipeline-parallel-size": "set engine.pipeline_parallel_size instead",
    "--port": "set gateway.port instead",
    "--profiler-config": _RISK,
    "--quantization": "set engine.quantization instead",
    "--reasoning-parser-plugin": _CODE,
    "--root-path": _FRONT_DOOR,
    "--served-model-name": "set model.served_name instead",
    "--shutdown-timeout": "set engine.drain_timeout_seconds instead",
    "--ssl-ca-certs": _FRONT_DOOR,
    "--ssl-certfile": _FRONT_DOOR,
    "--ssl-keyfile": _FRONT_DOOR,
    "--tensor-parallel-size": "set engine.tensor_parallel_size instead",
    "--tokenizer": "the tokenizer belongs to the checkpoint",
    "--tokens-only": _FRONT_DOOR,
    "--tool-parser-plugin": _CODE,
    "--tool-server": _RISK,
    "--trust-remote-code": _CODE,
    "--trust-request-chat-template": _RISK,
    "--trust-request-mm-kwargs": _RISK,
    "--uds": "set gateway.listen instead",
    "--uvicorn-log-level": _PROMPTS,
    "--worker-cls": _CODE,
    "--worker-extension-cls": _CODE,
}
"""Arguments that people will try, with the reason of the refusal or the setting to use; `--no-` forms count as well."""
