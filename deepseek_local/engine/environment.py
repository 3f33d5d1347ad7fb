"""
The engine's environment: what the host may pass on, what the profile may add, and what the kit decides.

Nothing else reaches the engine, because vLLM reads about 250 variables of its own, several of which open routes or run code
(`vllm/envs.py`), and copies what it has to Ray's workers. Later sources win: our defaults, the host, the profile, our decisions.
"""

import re
from collections.abc import Iterator, Mapping

from deepseek_local.engine.variables import (
    FROM_HOST,
    FROM_HOST_PREFIXES,
    FROM_PROFILE,
    FROM_PROFILE_PREFIXES,
    REFUSED,
    REFUSED_PREFIXES,
)
from deepseek_local.errors import PlanError
from deepseek_local.plan import Plan
from deepseek_local.profile.handover import GATEWAY_VARIABLE
from deepseek_local.profile.schema import Executor, Profile, Quantization, Vendor

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MASK = "********"


def build(plan: Plan, host_environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the whole environment of the engine.

    Raises `PlanError` for everything in `engine.environment` that may not be set, and for a Ray token that Ray would spread.
    """
    if found := [*problems(plan.profile), *_ray_token(plan, host_environment)]:
        raise PlanError(found)
    own = plan.profile.engine.environment
    return dict(sorted((_defaults(plan) | _inherited(host_environment) | own | _decided(plan)).items()))


def masked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy to show: the values of variables that are named like secrets are hidden."""
    return {name: _MASK if _SECRET.search(name) else value for name, value in environment.items()}


def problems(profile: Profile) -> Iterator[str]:
    """Say what is wrong with each variable of `engine.environment`, in one sentence."""
    for name, value in profile.engine.environment.items():
        for complaint in _complaints(name, value):
            yield f"engine.environment: {name!r} {complaint}"


def _complaints(name: str, value: str) -> Iterator[str]:
    reason = next((why for prefix, why in REFUSED_PREFIXES.items() if name.startswith(prefix)), REFUSED.get(name))
    if reason is not None:
        yield f"is refused: {reason}"
    elif not _NAME.fullmatch(name):
        yield "is no name of a variable: use letters, digits and underscores"
    elif _SECRET.search(name) and not name.endswith("_PATH"):
        yield "looks like a secret, which does not belong into a profile: put it into a file and name that file"
    elif name not in FROM_PROFILE and not name.startswith(FROM_PROFILE_PREFIXES):
        yield "is not in the allow-list of engine variables: remove it"
    elif re.search(r"[\x00-\x1f\x7f]", value):
        yield "holds a control character: write the value on one line"


def _inherited(host_environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in host_environment.items() if name in FROM_HOST or _describes_host(name)}


def _describes_host(name: str) -> bool:
    secret = _SECRET.search(name) and not name.endswith("_PATH")
    return name.startswith(FROM_HOST_PREFIXES) and name not in REFUSED and not secret


def _ray_token(plan: Plan, host_environment: Mapping[str, str]) -> Iterator[str]:
    """A token in the environment would be readable in every worker; Ray also takes it from a file."""
    if plan.profile.engine.executor is not Executor.RAY or "RAY_AUTH_TOKEN" not in host_environment:
        return
    if "RAY_AUTH_TOKEN_PATH" not in host_environment:
        yield (
            "RAY_AUTH_TOKEN is set, and the engine would copy it into the environment of every worker: write the token "
            "into a file of mode 0600 and set RAY_AUTH_TOKEN_PATH instead"
        )


def _defaults(plan: Plan) -> dict[str, str]:
    """Return what the host and the profile may replace."""
    engine = plan.profile.engine
    defaults = {"LANG": "C.UTF-8", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
    if engine.executor is Executor.MP:
        # All workers are on this host, so their channels need no interface but the loopback.
        defaults |= {"VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    if plan.profile.hardware.vendor is Vendor.CPU:
        # Cores of a NUMA node for each process. Unbound, the threads of several would spin for the same cores.
        defaults["VLLM_CPU_OMP_THREADS_BIND"] = "auto"
    return defaults


def _decided(plan: Plan) -> dict[str, str]:
    """Return what nothing may replace."""
    bitsandbytes = plan.profile.engine.quantization is Quantization.BITSANDBYTES or (
        plan.facts is not None and plan.facts.quantization == "bitsandbytes"
    )
    cache = plan.places.cache
    return {
        GATEWAY_VARIABLE: str(plan.places.gateway),
        # No home directory is needed for what is compiled or cached, and none is looked into for settings.
        "VLLM_CACHE_ROOT": str(cache / "vllm"),
        "VLLM_CONFIG_ROOT": str(cache / "config"),
        "XDG_CACHE_HOME": str(cache),
        "TRITON_HOME": str(cache),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "FLASHINFER_WORKSPACE_BASE": str(cache),
        "HF_HOME": str(cache / "huggingface"),
        # Nothing is downloaded, nothing is reported.
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        # An empty list: no plug-in is loaded. Unset would mean all that are installed.
        "VLLM_PLUGINS": "bitsandbytes" if bitsandbytes else "",
        # One request cannot multiply itself, nor lead a download elsewhere.
        "VLLM_MAX_N_SEQUENCES": "8",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        # Longer than nginx keeps an idle upstream connection (60 s), or nginx would meet closed ones.
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(plan.profile.engine.start_timeout_seconds),
        # Trusts nobody. uvicorn would otherwise take the client's address, which the audit log names, from a header (`uvicorn/config.py`).
        "FORWARDED_ALLOW_IPS": "",
        # DEBUG would log prompts.
        "VLLM_CONFIGURE_LOGGING": "1",
        "VLLM_LOGGING_LEVEL": "INFO",
        "VLLM_LOGGING_COLOR": "0",
        "VLLM_DISABLE_LOG_LOGO": "1",
        "PYTHONUNBUFFERED": "1",
        # `python -m` would put the current directory first on the import path.
        "PYTHONSAFEPATH": "1",
    }
