"""Deployments with the fake engine, everything else is real; and a token of a real PKCS#11 module."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from served import Served, short_directory
from soft_token import SoftToken

FAKE_ENGINE = Path(__file__).parents[1] / "support" / "fake_engine"

QUICK = (
    "gateway.listen=unix",
    "observability.health_seconds=0.2",
    "observability.canary_seconds=1",
    "observability.canary_timeout_seconds=1",
    "engine.drain_timeout_seconds=20",
)

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 576,
    "intermediate_size": 1536,
    "max_position_embeddings": 8192,
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49152,
}
"""What the demo model's config.json says, as far as the plan looks at it."""


def hollow_model(directory: Path, fault: str) -> Path:
    """Write a checkpoint of the demo model's shape without a weight in it."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG))
    (directory / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (directory / "fault.txt").write_text(fault)
    return directory


def _starter(stack: ExitStack) -> Callable[..., Served]:
    def start(
        fault: str = "",
        sets: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        home: Path | None = None,
        terminal: int | None = None,
    ) -> Served:
        directory = stack.enter_context(short_directory())
        model = hollow_model(directory / "model", fault)
        environment = {"PYTHONPATH": str(FAKE_ENGINE), **(environment or {})}
        served = Served("cpu-demo", home or directory / "home", model, (*QUICK, *sets), environment, terminal=terminal)
        stack.callback(served.clean_up)
        return served

    return start


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start deployments that end with the test."""
    with ExitStack() as stack:
        yield _starter(stack)


@pytest.fixture(scope="module")
def recovering() -> Iterator[Served]:
    """One deployment for all faults of a module that it must survive."""
    with ExitStack() as stack:
        served = _starter(stack)()
        served.until_ready()
        yield served


@pytest.fixture
def token(tmp_path, monkeypatch) -> SoftToken:
    """Make a token of SoftHSM that this process and its children find."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("there is no SoftHSM; requirements/system.txt names its package")
    made = SoftToken(tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    made.make()
    return made
