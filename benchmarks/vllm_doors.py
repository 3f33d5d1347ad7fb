"""
The front door in the frame of a real site: vLLM's own API server, bare and guarded, each with a stub for its engine core (`vllm_server`).

The command line is what `deepseek-local serve` runs for the demo profile: guarded and unlimited (without a quota) as it is, bare without
`--middleware`. The model lends its tokenizer, its chat template and its config.json; no weight is read.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import surroundings
from load import Target
from processes import free_port, running, wait_for

from deepseek_local import serve

SERVER = Path(__file__).with_name("vllm_server.py")
MODEL = Path(__file__).parent.parent / "var" / "models" / "smollm2-135m-instruct"


def missing(model: Path = MODEL) -> str | None:
    """Say what is missing to start vLLM's API server."""
    if find_spec("vllm") is None:
        return "vLLM is not installed here"
    if not (model / "config.json").exists():
        return f"there is no model in {model}; prepare it with: demo/prepare_model.py --to {model}"
    return None


def started(stack: ExitStack, directory: Path, model: Path = MODEL) -> dict[str, Target]:
    """Start the servers at the same time, for each takes seconds, and wait for all; the bare one is first."""
    around = {
        "guarded": surroundings.prepared(stack, directory / "guarded", surroundings.QUOTAS),
        "unlimited": surroundings.prepared(stack, directory / "unlimited", ()),
    }
    targets = {"bare": Target(server(stack, directory, model, {}), "none")}
    for name, each in around.items():
        targets[name] = Target(server(stack, directory, model, each.variables), each.token)
    for target in targets.values():
        wait_for(target.port)
    return targets


def server(stack: ExitStack, home: Path, model: Path, variables: Mapping[str, str]) -> int:
    """Begin to start vLLM's API server, guarded when there are variables for the front door, and return the port it will have."""
    port = free_port()
    sets = (
        f"model.served_name={surroundings.MODEL_NAME}",
        f"engine.max_model_len={surroundings.MAX_MODEL_LEN}",
        f"gateway.port={port}",
    )
    engine = serve.prepare("cpu-demo", home, model=model, sets=sets, host_environment=os.environ).engine
    arguments = engine.argv[engine.argv.index("serve") :]
    if not variables:
        arguments = tuple(argument for argument in arguments if not argument.startswith("--middleware="))
    # The engine's environment keeps Python from looking for modules beside a script.
    environment = {**engine.environment, "PYTHONPATH": str(SERVER.parent), **variables}
    stack.enter_context(running((sys.executable, str(SERVER), *arguments), environment=environment))
    return port
