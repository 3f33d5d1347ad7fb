"""The demo model, really downloaded and converted: half a minute, and the result is what the card says."""

import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_local.models import card
from deepseek_local.models.checkpoint import inspect

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).parents[2] / "demo" / "prepare_model.py"


def prepare(target: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--to", str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_demo_model_is_what_its_card_says_and_is_prepared_once(tmp_path):
    target = tmp_path / "models" / "smollm2-135m-instruct"
    assert "is ready (sha256:" in prepare(target)
    found = card.find("smollm2-135m-instruct")
    assert found is not None
    assert inspect(target).facts == found.facts
    assert (target / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert sorted(entry.name for entry in target.parent.iterdir()) == [".preparing-lock", target.name]
    assert prepare(target) == ""
