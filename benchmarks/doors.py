"""
The servers that the front door is measured with and beside: all lead to the same stub engine, on loopback, for as long as a stack lasts.

    bare          the stub engine itself
    guarded       the stub engine behind our middleware: token, guard, policy, quota in SQLite, durable audit
    unlimited     the same without a quota, as the shipped profiles have it
    auth_request  nginx, which asks an authority (uvicorn, one look into a table) before it passes to the stub engine; no audit
    litellm       LiteLLM's proxy with a master key, without database and audit
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from load import Target

from deepseek_local.identity import keys, store
from deepseek_local.profile.front_door import LedgerKind, Limits, Quota
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings, LedgerSettings
from deepseek_local.profile.library import shipped_file

ENGINE = Path(__file__).with_name("stub_engine.py")
PRINCIPAL = "u:load"
PLENTY = 1_000_000_000
QUOTAS = (Quota(principal="*", requests_per_minute=PLENTY, tokens_per_minute=PLENTY),)
MEMORY = Path("/dev/shm")  # noqa: S108  tmpfs is the point: the ledger lies there, as in the runtime directory of a service
START_SECONDS = 120
LITELLM_KEY = "sk-benchmark"

NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 128; }}
  upstream authority {{ server 127.0.0.1:{authority}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; client_body_buffer_size 64k;
    location = /authority {{
      internal; proxy_pass http://authority; proxy_pass_request_body off; proxy_set_header Content-Length "";
    }}
    location / {{ auth_request /authority; proxy_pass http://engine; }}
  }}
}}
"""

LITELLM = """
model_list:
  - model_name: stub
    litellm_params: {{model: openai/stub, api_base: "http://127.0.0.1:{engine}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
"""


def bare(stack: ExitStack) -> Target:
    """Start the stub engine."""
    return Target(_stub(stack), "none")


def guarded(stack: ExitStack, directory: Path, quotas: Sequence[Quota]) -> Target:
    """Start the sequencer, and the stub engine behind the front door."""
    directory.mkdir()
    memory = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY))
    token = _configure(directory, tuple(quotas), Path(memory))
    socket_file = directory / "audit.sock"
    audit = (sys.executable, "-m", "deepseek_local", "audit", "serve")
    stack.enter_context(running((*audit, "--directory", str(directory / "audit"), "--socket", str(socket_file))))
    _wait(socket.AF_UNIX, str(socket_file))
    return Target(_stub(stack, "--guarded"), token)


def auth_request(stack: ExitStack, directory: Path, engine: Target, program: str) -> Target:
    """Start nginx and its authority in front of a stub engine."""
    authority, port = _stub(stack, "--authority"), _free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(directory=directory, engine=engine.port, authority=authority, port=port))
    stack.enter_context(running((program, "-p", str(directory), "-c", str(configuration))))
    _wait(socket.AF_INET, ("127.0.0.1", port))
    return Target(port, "token")


def litellm(stack: ExitStack, directory: Path, engine: Target, program: str) -> Target:
    """Start LiteLLM's proxy in front of a stub engine."""
    port = _free_port()
    configuration = directory / "litellm.yaml"
    configuration.write_text(LITELLM.format(engine=engine.port, key=LITELLM_KEY))
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    command = (program, "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port))
    stack.enter_context(running((*command, "--telemetry", "False"), environment=quiet))
    _wait(socket.AF_INET, ("127.0.0.1", port))
    return Target(port, LITELLM_KEY)


def _configure(directory: Path, quotas: tuple[Quota, ...], memory: Path) -> str:
    """Write the settings of the front door, name them in the environment, and return a token."""
    users = directory / "users.csv"
    users.write_text(f"g, {PRINCIPAL}, operator\n")
    _, token = store.create(directory / "tokens.json", directory / "tokens.key", PRINCIPAL, datetime.now(UTC))
    for name in ("digest.key", "salt.key"):
        keys.ensure(directory / name)
    settings = GatewaySettings(
        policy_files=(shipped_file("policies", "seed.csv"), users),
        break_glass_file=directory / "break-glass.json",
        tokens_file=directory / "tokens.json",
        tokens_key_file=directory / "tokens.key",
        token_use_directory=directory / "tokens.used",
        internal_tokens={},
        audit_socket=directory / "audit.sock",
        audit_timeout_seconds=2.0,
        digest_key_file=directory / "digest.key",
        drain_file=directory / "draining",
        limits=Limits(),
        quotas=quotas,
        ledger=LedgerSettings(
            kind=LedgerKind.SQLITE,
            file=memory / "quota.db",
            url=None,
            password_file=None,
            timeout_seconds=1.0,
        ),
        salt_key_file=directory / "salt.key",
        served_models=("stub",),
        max_model_len=8192,
        node="bench",
    )
    file = directory / "gateway.json"
    file.write_text(settings.model_dump_json())
    file.chmod(0o600)
    os.environ[GATEWAY_VARIABLE] = str(file)
    return token


def _stub(stack: ExitStack, *options: str) -> int:
    """Start a stub on a socket of ours and return its port."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
    command = (sys.executable, str(ENGINE), str(listener.fileno()), *options)
    stack.enter_context(running(command, descriptor=listener.fileno()))
    port: int = listener.getsockname()[1]
    return port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str], descriptor: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a process for as long as the block lasts."""
    process = subprocess.Popen(
        command,
        pass_fds=() if descriptor is None else (descriptor,),
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return
        if time.monotonic() > deadline:
            raise SystemExit(f"nobody listens on {address} after {START_SECONDS} s")
        time.sleep(0.05)
