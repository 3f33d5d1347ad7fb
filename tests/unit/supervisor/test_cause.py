"""Logs are shortened copies of what vLLM 0.32.0 wrote; the CUDA texts come from its sources."""

import signal

import pytest

from deepseek_local.supervisor import cause

KV_TOO_SMALL = """\
(APIServer pid=10381) WARNING 11-24 07:12:21 [system_utils.py:255] Found ulimit of 20000. This can cause `OSError: [Errno 24] Too many`
(Worker pid=10571) INFO 11-24 07:12:42 [default_loader.py:501] Loading weights took 0.56 seconds
(EngineCore pid=10539) ERROR 11-24 07:12:43 [core.py:1510]     raise ValueError(
(EngineCore pid=10539) ERROR 11-24 07:12:43 [core.py:1510] ValueError: To serve at least one request with the model's max seq len (8192), \
(0.18 GiB KV cache is needed, which is larger than the available KV cache memory (0.0 GiB). Try decreasing `max_model_len`. \
See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.
Process EngineCore:
Traceback (most recent call last):
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}
/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked shared_memory
  warnings.warn('resource_tracker: There appear to be %d '
"""

SERVING = "INFO:     Application startup complete.\n"
LOADED = "(Worker pid=1) INFO 11-24 06:59:26 [gpu_model_runner.py:5150] Model loading took 131.2 GiB memory and 33.1 seconds\n"
OOM = "(Worker pid=1) ERROR 11-24 06:59:29 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."


def explain(code: int, log: str) -> str:
    return cause.explain(code, log.splitlines())


def test_the_root_cause_is_named_not_its_wrapper() -> None:
    said = explain(1, KV_TOO_SMALL)
    assert said.startswith("exit code 1: ValueError: To serve at least one request with the model's max seq len (8192)")
    assert said.endswith("or lower engine.max_model_len")
    assert "https" not in said


def test_an_error_quoted_in_a_warning_is_not_the_cause() -> None:
    log = "(Worker pid=1) WARNING 11-24 06:59:26 [utils.py:597] RuntimeError: could not create a primitive\n"
    assert explain(1, log) == "exit code 1, without an error in its log"


def test_a_usage_error_is_the_cause() -> None:
    log = "usage: launch.py [-h]\n                 ...\nlaunch.py: error: unrecognized arguments: --nonsense 3\n"
    assert explain(2, log) == "exit code 2: launch.py: error: unrecognized arguments: --nonsense 3"


def test_a_validation_error_is_told_with_its_reason() -> None:
    log = (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "  Value error, Invalid repository ID or local directory specified: '/x'. [type=value_error]\n"
        "    For further information visit a page\n"
    )
    assert "1 validation error for ModelConfig: Value error, Invalid repository ID" in explain(1, log)


def test_death_of_a_worker_is_named_when_nothing_else_is() -> None:
    log = (
        "(EngineCore pid=1) ERROR 11-24 07:00:00 [multiproc_executor.py:316] "
        "Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.\n"
        "(EngineCore pid=1) ERROR 11-24 07:00:00 [core.py:1512] RuntimeError: cancelled\n"
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.\n"
    )
    assert explain(0, log) == (
        "exit code 0: Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor"
    )


def test_an_engine_core_that_was_killed_points_to_the_kernel() -> None:
    log = (
        "(APIServer pid=1) WARNING 11-24 08:16:16 [core_client.py:817] [shutdown] MPClient: engine core exited unexpectedly; starting\n"
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.\n"
    )
    said = explain(0, log)
    assert said.startswith("exit code 0: the engine core was ended without a word")
    assert "journalctl -k" in said


def test_a_wrapper_is_better_than_nothing() -> None:
    log = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
    assert explain(1, log).startswith("exit code 1: RuntimeError: Engine core initialization failed")


def test_sigkill_without_a_word_points_to_the_kernel() -> None:
    assert "journalctl -k" in explain(-signal.SIGKILL, "INFO: fine\n")


@pytest.mark.parametrize(
    ("log", "remedy"),
    [
        (OOM, "the weights do not fit: raise engine.tensor_parallel_size"),
        (LOADED + OOM, "lower engine.max_num_batched_tokens"),
        (LOADED + "Capturing CUDA graphs (decode):  12%\n" + OOM, "lower engine.max_num_seqs"),
        (LOADED + SERVING + OOM, "lower engine.gpu_memory_utilization by 0.02"),
        (
            LOADED
            + SERVING
            + OOM
            + " Of the allocated memory 70.1 GiB is allocated by PyTorch, and 3.12 GiB is reserved by "
            "PyTorch but unallocated.",
            "the allocator is fragmented",
        ),
        (
            "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests.",
            "lower engine.max_num_seqs",
        ),
        (
            "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory utilization",
            "another process uses this GPU",
        ),
        ("ValueError: No available memory for the cache blocks.", "raise engine.gpu_memory_utilization"),
    ],
)
def test_a_memory_error_comes_with_the_setting_to_change(log: str, remedy: str) -> None:
    assert remedy in explain(1, log)


def test_of_our_own_processes_the_last_line_is_the_cause() -> None:
    lines = ["audit log /x", "cannot open /x: Permission denied; check its owner", ""]
    assert cause.explain_by_last_line(1, lines) == "exit code 1: cannot open /x: Permission denied; check its owner"
    assert cause.explain_by_last_line(-signal.SIGKILL, lines) == "killed by SIGKILL"
    assert cause.explain_by_last_line(1, []) == "exit code 1"


def test_a_long_line_is_clipped() -> None:
    assert len(explain(1, f"ValueError: {'x' * 5000}")) < 500
