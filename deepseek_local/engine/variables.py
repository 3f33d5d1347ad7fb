"""
Which environment variables may reach the engine, from the host and from the profile, and which are refused by name.

The host passes on where things are installed and which devices and interfaces there are; what the engine does is the profile's business,
so that a profile means the same on every host. Libraries that the loader is told to load (`LD_PRELOAD`, `LD_LIBRARY_PATH`,
`PYTHONPATH`) act on the supervisor as well: passing them on trusts nobody new.
"""

from collections.abc import Mapping

FROM_HOST = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "PYTHONPATH",
        "CC",
        "CXX",
        "VLLM_HOST_IP",
        "VLLM_CPU_OMP_THREADS_BIND",
        "VLLM_CPU_NUM_OF_RESERVED_CPU",
    }
)
"""Of vLLM's own variables only those that describe this host: its address, and which of its cores to use."""

FROM_HOST_PREFIXES = (
    "LC_",
    "CUDA_",
    "CUDNN_",
    "NVIDIA_",
    "NCCL_",
    "GLOO_",
    "UCX_",
    "HIP_",
    "HSA_",
    "ROCM_",
    "ROCR_",
    "RAY_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "NUMEXPR_",
    "MALLOC_",
)

FROM_PROFILE = frozenset(
    {
        "VLLM_ALLREDUCE_USE_FLASHINFER",
        "VLLM_ALLREDUCE_USE_SYMM_MEM",
        "VLLM_BATCH_INVARIANT",
        "VLLM_CPU_ATTN_SPLIT_KV",
        "VLLM_CPU_NUM_OF_RESERVED_CPU",
        "VLLM_CPU_OMP_THREADS_BIND",
        "VLLM_CPU_SIM_MULTI_NUMA",
        "VLLM_DISABLE_PYNCCL",
        "VLLM_ENABLE_STARTUP_PLAN",
        "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS",
        "VLLM_HOST_IP",
        "VLLM_LOG_STATS_INTERVAL",
        "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS",
        "VLLM_PP_LAYER_PARTITION",
        "VLLM_RAY_BUNDLE_INDICES",
        "VLLM_SKIP_P2P_CHECK",
        "VLLM_USE_DEEP_GEMM",
        "VLLM_USE_FLASHINFER_SAMPLER",
        "VLLM_USE_NCCL_SYMM_MEM",
        "VLLM_WORKER_MULTIPROC_METHOD",
        "VLLM_XGRAMMAR_CACHE_MB",
    }
)

FROM_PROFILE_PREFIXES = (
    "CUDA_",
    "NCCL_",
    "GLOO_",
    "UCX_",
    "HIP_",
    "HSA_",
    "ROCR_",
    "RAY_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "MALLOC_",
    "PYTORCH_",
    "TORCH_",
    "VLLM_DEEPEP_",
    "VLLM_FLASHINFER_",
    "VLLM_MARLIN_",
    "VLLM_ROCM_",
)

_CODE = "it loads code into the engine"
_ROUTES = "it opens routes that nobody may reach"
_PROMPTS = "it can write prompts into a log"
_OFFLINE = "the engine works offline"

REFUSED: Mapping[str, str] = {
    "VLLM_SERVER_DEV_MODE": _ROUTES,
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": _ROUTES,
    "VLLM_ENABLE_COHERE_API": _ROUTES,
    "VLLM_ENABLE_RESPONSES_API_STORE": "stored answers have no owner",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": _CODE,
    "VLLM_PLUGINS": "plug-ins are chosen by the kit, and would be allowed in all groups at once",
    "VLLM_USE_RUST_FRONTEND": "that server has no middleware, so it would have no front door",
    "VLLM_RUST_FRONTEND_PATH": "that server has no middleware, so it would have no front door",
    "VLLM_API_KEY": "vLLM's key guards only some routes; access is decided by tokens and policy",
    "VLLM_SKIP_MODEL_NAME_VALIDATION": "requests could name any model, and policy decides by the name",
    "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH": "a dead engine must end, so that it is started again",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "answers beyond the model's context are wrong",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": _PROMPTS,
    "VLLM_LOGGING_LEVEL": _PROMPTS,
    "VLLM_LOGGING_CONFIG_PATH": _PROMPTS,
    "VLLM_CONFIGURE_LOGGING": _PROMPTS,
    "VLLM_TRACE_FUNCTION": _PROMPTS,
    "VLLM_CPU_KVCACHE_SPACE": "it would silently replace engine.kv_cache_bytes",
    "VLLM_CPU_CI_ENV": "it changes how models are compiled, for vLLM's own tests",
    "VLLM_ENGINE_READY_TIMEOUT_S": "set engine.start_timeout_seconds instead",
    "VLLM_CACHE_ROOT": "compiled code is executed, so it stays in the home directory of this deployment",
    "VLLM_MAX_N_SEQUENCES": "one request must not multiply itself",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": _OFFLINE,
    "VLLM_NO_USAGE_STATS": _OFFLINE,
    "VLLM_USAGE_STATS_SERVER": _OFFLINE,
    "VLLM_USE_MODELSCOPE": _OFFLINE,
    "VLLM_MODEL_REDIRECT_PATH": "it would silently serve another model",
    "HF_HUB_OFFLINE": _OFFLINE,
    "TRANSFORMERS_OFFLINE": _OFFLINE,
    "FORWARDED_ALLOW_IPS": "it makes the engine believe forged client addresses",
    "CUDA_INJECTION32_PATH": _CODE,
    "CUDA_INJECTION64_PATH": _CODE,
    "NCCL_NET_PLUGIN": _CODE,
    "NCCL_TUNER_PLUGIN": _CODE,
    "NCCL_PROFILER_PLUGIN": _CODE,
    "HSA_TOOLS_LIB": _CODE,
    "OMP_TOOL_LIBRARIES": _CODE,
    "LD_PRELOAD": _CODE,
    "LD_LIBRARY_PATH": _CODE,
    "PYTHONPATH": _CODE,
    "PYTHONSTARTUP": _CODE,
    "PYTHONHOME": _CODE,
}
"""Variables that people will try, with the reason of the refusal or the setting to use."""

REFUSED_PREFIXES: Mapping[str, str] = {
    "DEEPSEEK_LOCAL_": "the kit sets its own variables",
    "CUSTOM_FASTAPI_": _CODE,
    "CUSTOM_PRE_PROCESS": _CODE,
    "CUSTOM_POST_PROCESS": _CODE,
    "CUSTOM_SCRIPT_FILENAME": _CODE,
    "SAGEMAKER_": _CODE,
    "HTTP_PROXY": _OFFLINE,
    "HTTPS_PROXY": _OFFLINE,
}
