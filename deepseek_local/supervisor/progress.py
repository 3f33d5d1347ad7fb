"""
How far the engine has got while it loads: one short phrase per phase, out of the lines of its log.

The texts come from `vllm/v1/engine/core.py`, `vllm/v1/worker/`, `vllm/model_executor/model_loader/` and uvicorn; a version that words one
differently only loses that phrase.
"""

import re

_PHASES = (
    (re.compile(r"non-default args:"), "vLLM takes its arguments"),
    (re.compile(r"Resolved architecture: (\w+)"), "architecture {0}"),
    (re.compile(r"Initializing a V\d LLM engine"), "engine core started"),
    (re.compile(r"Starting to load model"), "loading weights"),
    (re.compile(r"Loading weights took ([\d.]+) seconds"), "weights loaded in {0} s"),
    (re.compile(r"KV cache size: ([\d,]+) tokens"), "KV cache for {0} tokens"),
    (re.compile(r"torch\.compile took ([\d.]+) s"), "compiled in {0} s"),
    (re.compile(r"Graph capturing finished in (\d+) secs"), "CUDA graphs captured in {0} s"),
    (re.compile(r"init engine \(.*\) took ([\d.]+) s"), "warmed up in {0} s"),
    (re.compile(r"Application startup complete"), "front door open"),
)


def phase(line: str) -> str | None:
    """Return what the line says about loading; None for a line that says nothing about it."""
    for pattern, text in _PHASES:
        found = pattern.search(line)
        if found:
            return text.format(*found.groups())
    return None
