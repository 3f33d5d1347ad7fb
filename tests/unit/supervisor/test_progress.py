import pytest

from deepseek_local.supervisor import progress


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        (
            "(EngineCore pid=4706) INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config",
            "engine core started",
        ),
        ("(Worker pid=4742) INFO [cpu_model_runner.py:68] Starting to load model /m...", "loading weights"),
        (
            "(Worker pid=4742) INFO [default_loader.py:501] Loading weights took 0.56 seconds",
            "weights loaded in 0.56 s",
        ),
        (
            "INFO [kv_cache_utils.py:2327] CPU KV cache size: 46,592 tokens, Maximum concurrency",
            "KV cache for 46,592 tokens",
        ),
        ("INFO [core.py:402] init engine (profile, create kv cache, warmup model) took 1.95 s", "warmed up in 1.95 s"),
        ("INFO:     Application startup complete.", "front door open"),
        ("Loading safetensors checkpoint shards:   0% Completed | 0/1", None),
    ],
)
def test_each_phase_of_loading_is_recognised(line: str, phrase: str | None) -> None:
    assert progress.phase(line) == phrase
