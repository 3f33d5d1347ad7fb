"""Our command lines, parsed by the installed vLLM itself: it understands them as we mean them, and no profile can bend them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local import plan
from deepseek_local.engine import args
from deepseek_local.engine.allowed import ALLOWED, REFUSED
from deepseek_local.engine.compat import known_flags
from deepseek_local.engine.installed import installed_version
from deepseek_local.engine.values import COUNT, FLAT_OBJECT, NUMBER, SWITCH, TEMPLATE
from deepseek_local.errors import PlanError
from deepseek_local.models import card
from deepseek_local.profile import library, load
from deepseek_local.profile.places import Places

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(installed_version() is None, reason="vLLM is not installed"),
]

PLACES = Places(Path("/srv/deepseek-local"), Path("/run/deepseek-local"))
DECIDED = {
    "middleware": ["deepseek_local.gateway.PolicyMiddleware"],
    "allowed_origins": [],
    "allow_credentials": False,
    "disable_fastapi_docs": True,
    "enable_offline_docs": False,
    "fingerprint_mode": "none",
    "max_logprobs": 20,
    "api_key": None,
    "root_path": None,
    "config": None,
    "grpc": False,
    "headless": False,
    "trust_remote_code": False,
    "trust_request_chat_template": False,
    "enable_prompt_embeds": False,
    "enable_log_requests": False,
    "enable_log_outputs": False,
    "log_error_stack": False,
    "max_log_len": 0,
    "disable_uvicorn_access_log": True,
    "uvicorn_log_level": "info",
    "allowed_local_media_path": "",
    "tool_server": None,
    "tool_parser_plugin": "",
    "enable_tokenizer_info_endpoint": False,
    "ssl_certfile": None,
    "runner": "generate",
    "model_impl": "vllm",
    "data_parallel_size": 1,
}
"""What must hold in every start, whatever the profile adds."""

Parse = Callable[[list[str]], dict[str, object]]


@pytest.fixture(scope="module")
def parse() -> Iterator[Parse]:
    script = Path(__file__).with_name("parse_with_vllm.py")
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while (line := process.stdout.readline()) != "ready\n":
            assert line, "vLLM could not be imported"

        def ask(argv: list[str]) -> dict[str, object]:
            print(json.dumps(argv), file=process.stdin, flush=True)
            answer: dict[str, object] = json.loads(process.stdout.readline())
            return answer

        yield ask
        process.stdin.close()


def argv(name: str, *extra: str, sets: tuple[str, ...] = ()) -> list[str]:
    """Return what follows the launcher's name."""
    profile = load.load(name, sets=sets)
    profile = profile.model_copy(
        update={"engine": profile.engine.model_copy(update={"extra_arguments": profile.engine.extra_arguments + extra})}
    )
    found = card.find(profile.model.card) if profile.model.card else None
    made = plan.make(profile, PLACES, None, found, installed_version() or "")
    return list(args.build(made, {}).argv[len(args.LAUNCHER) :])


def decided(namespace: dict[str, object]) -> dict[str, object]:
    return {key: namespace[key] for key in DECIDED}


@pytest.mark.parametrize("name", library.names())
def test_the_engine_understands_every_shipped_profile_as_meant(name, parse):
    profile = load.load(name)
    namespace = parse(argv(name))
    assert decided(namespace) == DECIDED
    assert namespace["model_tag"] == str(PLACES.model(profile))
    assert namespace["served_model_name"] == [profile.model.served_name]
    assert namespace["tensor_parallel_size"] == profile.engine.tensor_parallel_size
    assert namespace["pipeline_parallel_size"] == profile.engine.pipeline_parallel_size
    assert namespace["max_model_len"] == profile.engine.max_model_len
    assert namespace["max_num_seqs"] == profile.engine.max_num_seqs
    assert namespace["max_num_batched_tokens"] == profile.engine.max_num_batched_tokens
    assert namespace["kv_cache_memory_bytes"] == profile.engine.kv_cache_bytes
    assert namespace["enforce_eager"] == profile.engine.enforce_eager
    assert namespace["enable_prefix_caching"] == profile.engine.prefix_caching
    assert namespace["shutdown_timeout"] == profile.engine.drain_timeout_seconds
    assert namespace["load_format"] == "safetensors"


def test_the_engine_listens_where_the_profile_says(parse):
    unix = parse(argv("cpu-demo", sets=("gateway.listen=unix",)))
    assert unix["uds"] == "/run/deepseek-local/front.sock"
    loopback = parse(argv("cpu-demo", sets=("gateway.listen=loopback", "gateway.port=8123")))
    assert (loopback["uds"], loopback["host"], loopback["port"]) == (None, "127.0.0.1", 8123)


def test_a_pipeline_on_cpu_is_compiled_for_eager_execution(parse):
    namespace = parse(argv("cpu-demo", sets=("engine.pipeline_parallel_size=2", "engine.enforce_eager=false")))
    assert "eager" in str(namespace["compilation_config"])


EXAMPLES = {
    COUNT: ["0", "4"],
    NUMBER: ["1.5"],
    TEMPLATE: ["/srv/tools.jinja"],
    FLAT_OBJECT: ["{}"],
}
NAMES = {
    "--all2all-backend": "deepep_low_latency",
    "--attention-backend": "FLASH_ATTN_MLA",
    "--linear-backend": "marlin",
    "--moe-backend": "triton",
    "--reasoning-parser": "deepseek_r1",
    "--tool-call-parser": "deepseek_v3",
}
AT_LEAST_ONE = {"--long-prefill-token-threshold"}


def values(flag: str) -> list[str]:
    kind = ALLOWED[flag].kind
    if kind is SWITCH:
        return [flag]
    if kind.description.startswith("one of "):
        return [f"{flag}={word}" for word in kind.description.removeprefix("one of ").split(", ")]
    return [f"{flag}={value}" for value in EXAMPLES.get(kind) or [NAMES[flag]]]


ALLOWED_HERE = sorted(set(ALLOWED) & known_flags(installed_version() or "0.32.0"))


@pytest.mark.parametrize("flag", ALLOWED_HERE)
def test_the_engine_knows_every_argument_of_the_allow_list(flag, parse):
    for argument in values(flag):
        namespace = parse(argv("a100x1", argument))
        if argument.endswith("=0") and "refused" in namespace:
            continue
        assert decided(namespace) == DECIDED, argument


accepted = st.sampled_from([argument for flag in ALLOWED_HERE for argument in values(flag)])
arguments = st.one_of(
    accepted,
    st.builds("{}={}".format, st.sampled_from(ALLOWED_HERE), st.text(max_size=8)),
    st.builds("{}{}".format, st.sampled_from(sorted(REFUSED)), st.sampled_from(["", "=x", "=[]", " x"])),
    st.builds(lambda flag, cut: flag[:-cut], st.sampled_from([*ALLOWED_HERE, *sorted(REFUSED)]), st.integers(1, 4)),
    st.text(max_size=12),
)


@settings(max_examples=300)
@given(extra=st.lists(accepted, max_size=4) | st.lists(arguments, min_size=1, max_size=4))
def test_no_extra_argument_can_change_what_is_decided(extra, parse):
    try:
        line = argv("cpu-demo", *extra)
    except PlanError:
        return
    namespace = parse(line)
    assert "refused" in namespace or (
        decided(namespace) == DECIDED
        and namespace["model_tag"] == "/srv/deepseek-local/models/smollm2-135m-instruct"
        and (namespace["uds"], namespace["host"], namespace["port"]) == (None, "127.0.0.1", 8000)
    )
