"""
The servers that the front door is measured with and beside, on loopback, all leading to the same minimal stub engine (`stub_engine`).

    bare          the stub engine itself
    guarded       the stub engine behind our middleware: token, guard, policy, quota in SQLite, durable audit
    unlimited     the same without a quota, as the shipped profiles have it
    auth_request  nginx, which asks an authority (uvicorn, one look into a table) before it passes to the stub engine; no audit
    litellm       LiteLLM's proxy with a master key, without database and audit
"""

import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import surroundings
from load import Target
from processes import free_port, running, wait_for

from deepseek_local.profile.front_door import Quota

ENGINE = Path(__file__).with_name("stub_engine.py")
LITELLM_PROGRAM = Path(__file__).parent.parent / ".venv-litellm" / "bin" / "litellm"
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


def started(stack: ExitStack, directory: Path, *, beside: bool) -> dict[str, Target]:
    """Start the servers, the bare one first; with `beside`, those of others too."""
    engine = Target(_stub(stack), "none")
    targets = {
        "bare": engine,
        "guarded": guarded(stack, directory / "guarded", surroundings.QUOTAS),
        "unlimited": guarded(stack, directory / "unlimited", ()),
    }
    if beside:
        targets["auth_request"] = auth_request(stack, directory, engine)
        targets["litellm"] = litellm(stack, directory, engine)
    return targets


def guarded(stack: ExitStack, directory: Path, quotas: Sequence[Quota]) -> Target:
    """Start the stub engine behind the front door."""
    around = surroundings.prepared(stack, directory, quotas)
    return Target(_stub(stack, "--guarded", variables=around.variables), around.token)


def auth_request(stack: ExitStack, directory: Path, engine: Target) -> Target:
    """Start nginx and its authority in front of a stub engine."""
    program = needed("nginx", "apt-get install nginx")
    authority, port = _stub(stack, "--authority"), free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(directory=directory, engine=engine.port, authority=authority, port=port))
    stack.enter_context(running((program, "-p", str(directory), "-c", str(configuration))))
    wait_for(port)
    return Target(port, "token")


def litellm(stack: ExitStack, directory: Path, engine: Target) -> Target:
    """Start LiteLLM's proxy in front of a stub engine."""
    program, port = needed(str(LITELLM_PROGRAM), "make bench"), free_port()
    configuration = directory / "litellm.yaml"
    configuration.write_text(LITELLM.format(engine=engine.port, key=LITELLM_KEY))
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    command = (program, "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port))
    stack.enter_context(running((*command, "--telemetry", "False"), environment={**os.environ, **quiet}))
    wait_for(port)
    return Target(port, LITELLM_KEY)


def needed(program: str, remedy: str) -> str:
    """Return the path of a program. Ends this one where it is missing."""
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"{program} is missing; install it with: {remedy}")
    return found


def _stub(stack: ExitStack, *options: str, variables: Mapping[str, str] | None = None) -> int:
    """Start a stub on a socket of ours and return its port."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
    command = (sys.executable, str(ENGINE), str(listener.fileno()), *options)
    environment = {**os.environ, **(variables or {})}
    stack.enter_context(running(command, descriptor=listener.fileno(), environment=environment))
    port: int = listener.getsockname()[1]
    return port
