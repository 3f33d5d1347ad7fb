"""
vLLM's own API server, as a site runs it, with a stub only where the engine core would be (see `stub_core`).

    python benchmarks/vllm_server.py serve MODEL --flag ... [--middleware=deepseek_local.gateway.PolicyMiddleware]

With the middleware it starts as `deepseek-local serve` starts it, without as `vllm serve` does. All that the API server's process does for
a request is done by vLLM's own code: FastAPI, pydantic's models, the chat template, the tokenizer, the checks of prompt and parameters,
detokenization, statistics, answers and chunks as JSON (`vllm/entrypoints`, `vllm/v1/engine/async_llm.py`). Missing is what talking to
another process costs it, a message over ZeroMQ for each request and each step, and the gauges of the scheduler: with a real engine this
process is slower, so the front door's share is rather over- than underestimated.
"""

import sys

from deepseek_local.engine import launcher, request_heads


def main() -> None:
    """Run vLLM with the arguments of this process."""
    launcher.name_the_cpu_build()
    import stub_core  # noqa: PLC0415  it imports vLLM, which looks for the name of its build
    from vllm.entrypoints.cli.main import main as vllm_main  # noqa: PLC0415

    stub_core.install()
    if any(argument.startswith("--middleware=") for argument in sys.argv):
        request_heads.limit()
        launcher.main()
    else:
        vllm_main()


if __name__ == "__main__":
    main()
