"""The engine's environment: what reaches it from the host and the profile, and what never does."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from deepseek_local.engine import environment
from deepseek_local.engine.variables import FROM_PROFILE, FROM_PROFILE_PREFIXES, REFUSED, REFUSED_PREFIXES
from deepseek_local.errors import PlanError


def refusals(plan, host=()):
    with pytest.raises(PlanError) as refused:
        environment.build(plan, dict(host))
    return refused.value.reasons


def with_variable(planned, name, value="1", profile="cpu-demo"):
    return planned(profile, f"engine.environment={json.dumps({name: value})}")


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "LC_CTYPE",
        "CUDA_VISIBLE_DEVICES",
        "NCCL_SOCKET_IFNAME",
        "VLLM_HOST_IP",
        "RAY_AUTH_TOKEN_PATH",
    ],
)
def test_the_host_passes_on_what_describes_it(name, planned):
    assert environment.build(planned(), {name: "seen"})[name] == "seen"


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in REFUSED if not name.startswith(("LD_", "PYTHONPATH"))),
        "SAGEMAKER_MODEL_PATH",
        "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE",
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "RAY_AUTH_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "NVIDIA_API_KEY",
        "https_proxy",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "OPENSSL_CONF",
    ],
)
def test_nothing_else_of_the_host_reaches_the_engine(name, planned):
    assert environment.build(planned(), {name: "from the host"}).get(name) != "from the host"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_dangerous_variables_are_refused_by_name_with_a_reason(name, planned):
    (reason,) = refusals(with_variable(planned, name))
    assert name in reason
    assert REFUSED[name] in reason


@pytest.mark.parametrize("prefix", sorted(REFUSED_PREFIXES))
def test_dangerous_families_are_refused_whole(prefix, planned):
    assert REFUSED_PREFIXES[prefix] in refusals(with_variable(planned, f"{prefix}X"))[0]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FROBNICATE", "1", "not in the allow-list"),
        ("vllm_host_ip", "1", "not in the allow-list"),
        ("RAY_AUTH_TOKEN", "abc", "looks like a secret"),
        ("NCCL DEBUG", "1", "no name of a variable"),
        ("NCCL_DEBUG=INFO", "1", "no name of a variable"),
        ("", "1", "no name of a variable"),
        ("NCCL_DEBUG", "INFO\nLD_PRELOAD=x", "control character"),
    ],
)
def test_other_variables_are_refused_with_a_remedy(name, value, words, planned):
    (reason,) = refusals(with_variable(planned, name, value))
    assert words in reason
    assert value not in reason or value == "1"


@pytest.mark.parametrize("name", [*sorted(FROM_PROFILE), *(f"{prefix}X" for prefix in FROM_PROFILE_PREFIXES)])
def test_what_the_allow_list_holds_is_set(name, planned):
    assert environment.build(with_variable(planned, name), {name: "host"})[name] == "1"


def test_all_problems_are_reported_at_once(planned):
    variables = json.dumps({"LD_PRELOAD": "x", "FROBNICATE": "1", "OMP_NUM_THREADS": "2"})
    assert len(refusals(planned("cpu-demo", f"engine.environment={variables}"))) == 2


@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(sorted(REFUSED)), st.text(max_size=4), max_size=5))
def test_no_host_can_change_what_is_decided(planned, host):
    plan = planned()
    alone = environment.build(plan, {})
    built = environment.build(plan, host)
    decided = [name for name in alone if name not in ("LANG", "VLLM_HOST_IP", "VLLM_CPU_OMP_THREADS_BIND")]
    assert {name: built[name] for name in decided} == {name: alone[name] for name in decided}


def test_the_engine_is_told_where_the_front_door_has_its_settings(planned):
    built = environment.build(planned(), {})
    assert built["DEEPSEEK_LOCAL_GATEWAY"] == "/run/deepseek-local/gateway.json"
    assert built["VLLM_CACHE_ROOT"] == "/srv/deepseek-local/cache/vllm"
    assert built["VLLM_ENGINE_READY_TIMEOUT_S"] == "600"


def test_no_header_changes_the_address_of_a_client(planned):
    headers = [(b"x-forwarded-for", b"203.0.113.9")]
    assert peer_behind(environment.build(planned(), {})["FORWARDED_ALLOW_IPS"], "127.0.0.1", headers) == "127.0.0.1"


def peer_behind(trusted, address, headers):
    """Ask uvicorn whom it takes for the client."""
    seen = []

    async def app(scope, *_):
        seen.append(scope["client"][0])

    scope = {"type": "http", "client": (address, 50_000), "headers": headers}
    asyncio.run(ProxyHeadersMiddleware(app, trusted)(scope, None, None))
    return seen[0]


def test_workers_of_one_host_talk_over_the_loopback(planned):
    assert environment.build(planned("a100x2"), {})["VLLM_HOST_IP"] == "127.0.0.1"
    assert environment.build(planned("a100x2"), {"VLLM_HOST_IP": "10.0.0.7"})["VLLM_HOST_IP"] == "10.0.0.7"
    assert "VLLM_HOST_IP" not in environment.build(planned("a100x8"), {})


def test_threads_on_cpu_are_bound(planned):
    assert environment.build(planned("cpu-demo"), {})["VLLM_CPU_OMP_THREADS_BIND"] == "auto"
    assert (
        environment.build(planned("cpu-demo"), {"VLLM_CPU_OMP_THREADS_BIND": "0-3"})["VLLM_CPU_OMP_THREADS_BIND"]
        == "0-3"
    )
    assert "VLLM_CPU_OMP_THREADS_BIND" not in environment.build(planned("a100x1"), {})


def test_only_the_plug_in_that_is_needed_is_loaded(planned):
    assert environment.build(planned("h100x1"), {})["VLLM_PLUGINS"] == ""
    quantized = planned("h100x1", "engine.quantization=bitsandbytes")
    assert environment.build(quantized, {})["VLLM_PLUGINS"] == "bitsandbytes"


def test_a_ray_token_must_lie_in_a_file(planned):
    (reason,) = refusals(planned("a100x8"), {"RAY_AUTH_TOKEN": "s3cret"}.items())
    assert "RAY_AUTH_TOKEN_PATH" in reason
    assert "s3cret" not in reason
    both = {"RAY_AUTH_TOKEN": "s3cret", "RAY_AUTH_TOKEN_PATH": "/etc/ray.token"}
    assert "s3cret" not in environment.build(planned("a100x8"), both).values()


def test_what_is_named_like_a_secret_is_masked():
    shown = environment.masked({"MY_API_KEY": "a", "db_password": "b", "X_TOKEN": "c", "SECRETS": "d", "PATH": "/bin"})
    assert set(shown.values()) == {"********", "/bin"}
    assert shown["PATH"] == "/bin"
