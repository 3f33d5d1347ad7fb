"""
Why the engine died: one sentence out of its log.

vLLM writes a traceback per process and, last, wrappers such as `Engine core initialization failed. See root cause above`
(`vllm/v1/engine/utils.py`, `vllm/v1/executor/multiproc_executor.py`). The last line that names an error and is no such wrapper is the
cause. For memory errors vLLM's text says what overflowed; the remedy in terms of the profile is added here.
"""

import re
import signal
from collections.abc import Sequence

from deepseek_local.proc import describe_exit

_LONGEST = 400
_PREFIX = re.compile(
    r"^(?:\([\w.-]+(?: [\w=]+)*\) )?(?:(DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]*\] ?)?"
)
_ERROR = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)(?:: .+|$)")
_USAGE = re.compile(r"^\S+: error: .+")
_DEATH = re.compile(r"^.*\b(?:[Pp]roc(?:ess)? \S+|\S*WorkerProc rank=\S+) died unexpectedly")
_SILENT_DEATH = re.compile(r"engine core exited unexpectedly")
_WRAPPERS = (
    "See root cause above",
    "See stack trace",
    "Engine core proc",
    "EngineDeadError",
    "KeyboardInterrupt",
    "SystemExit",
    "CancelledError",
    "RuntimeError: cancelled",
)
_UNHELPFUL_TAIL = re.compile(r"\s*See https?://\S+( for more details)?\.?$")

_REMEDIES = (
    (
        re.compile(
            r"No available memory for the cache blocks|larger than the available KV cache|No space for the KV cache"
        ),
        "raise engine.gpu_memory_utilization (or engine.kv_cache_bytes), or lower engine.max_model_len",
    ),
    (re.compile(r"when warming up sampler"), "lower engine.max_num_seqs"),
    (
        re.compile(r"Free memory on device|Error in memory profiling"),
        "another process uses this GPU: end it, or lower engine.gpu_memory_utilization",
    ),
)
_OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemoryError")
_RESERVED = re.compile(r"([\d.]+) ([MG]iB) is reserved by PyTorch but unallocated")
_LOADED = re.compile(r"Model loading took|Loading weights took")
_CAPTURING = re.compile(r"Capturing CUDA graph|logits\.to\(")
_SERVING = re.compile(r"Application startup complete")


def explain(code: int, lines: Sequence[str]) -> str:
    """Say how the process ended and why, from its exit code and what it wrote since its start."""
    ending = describe_exit(code)
    error = last_error(lines)
    if error is not None:
        remedy = memory_remedy(error, lines)
        return f"{ending}: {error}; {remedy}" if remedy else f"{ending}: {error}"
    if code == -signal.SIGKILL:
        return f"{ending}, without an error in its log, as the kernel does when memory runs out (see `journalctl -k`)"
    return f"{ending}, without an error in its log"


def explain_by_last_line(code: int, lines: Sequence[str]) -> str:
    """Say the same of a process of our own, whose last line is its error."""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{describe_exit(code)}: {_tidy(last, ())}" if code > 0 and last else describe_exit(code)


def last_error(lines: Sequence[str]) -> str | None:
    """Return the last line that names an error and is not only a consequence of another one; None when there is none."""
    wrapper: str | None = None
    for index in range(len(lines) - 1, -1, -1):
        text = _error_text(lines[index])
        if text is None:
            continue
        if not any(mark in text for mark in _WRAPPERS):
            return _tidy(text, lines[index + 1 : index + 3])
        wrapper = wrapper or _tidy(text, ())
    if wrapper is not None and any(_SILENT_DEATH.search(line) for line in lines):
        return "the engine core was ended without a word, as the kernel does when memory runs out (see `journalctl -k`)"
    return wrapper


def memory_remedy(error: str, lines: Sequence[str]) -> str | None:
    """Return what to change in the profile when the error is about memory, else None."""
    for pattern, remedy in _REMEDIES:
        if pattern.search(error):
            return remedy
    if not _OUT_OF_MEMORY.search(error):
        return None
    if any(_SERVING.search(line) for line in lines):
        return _remedy_while_serving(error)
    if not any(_LOADED.search(line) for line in lines):
        return "the weights do not fit: raise engine.tensor_parallel_size or serve a quantized checkpoint"
    if any(_CAPTURING.search(line) for line in lines):
        return "lower engine.max_num_seqs"
    return "lower engine.max_num_batched_tokens or engine.gpu_memory_utilization"


def _remedy_while_serving(error: str) -> str:
    reserved = _RESERVED.search(error)
    if reserved and (reserved[2] == "GiB" or float(reserved[1]) >= 512):  # noqa: PLR2004 - MiB, well above normal slack
        return (
            "the allocator is fragmented: set engine.environment.PYTORCH_CUDA_ALLOC_CONF to expandable_segments:True, "
            "or lower engine.gpu_memory_utilization by 0.02"
        )
    return "lower engine.gpu_memory_utilization by 0.02, or engine.max_num_batched_tokens"


def _error_text(line: str) -> str | None:
    """Return the line without its prefix when it names an error; warnings that quote one do not count."""
    prefix = _PREFIX.match(line)
    level, text = (prefix[1], line[prefix.end() :]) if prefix else (None, line)
    if level in ("DEBUG", "INFO", "WARNING"):
        return None
    text = text.rstrip()
    return text if _ERROR.match(text) or _USAGE.match(text) or (level and _DEATH.match(text)) else None


def _tidy(text: str, following: Sequence[str]) -> str:
    """Join what pydantic says on the lines below, drop links that need internet, and keep the sentence short."""
    if "validation error" in text and following:
        text = f"{text}: {' '.join(_PREFIX.sub('', line, count=1).strip() for line in following)}"
    text = _UNHELPFUL_TAIL.sub("", text).rstrip(". ")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
