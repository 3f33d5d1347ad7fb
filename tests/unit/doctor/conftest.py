import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import short_directory

from deepseek_local import plan as plans
from deepseek_local.models import card
from deepseek_local.plan import Plan
from deepseek_local.profile import load
from deepseek_local.profile.places import Places


@pytest.fixture
def home() -> Iterator[Path]:
    """Make an empty home directory."""
    with short_directory() as directory:
        yield directory


@pytest.fixture
def plan(home: Path) -> Callable[..., Plan]:
    """Make the demo's plan for an empty home directory; `plan("a.b=c")` overrides settings."""

    def make(*sets: str) -> Plan:
        chosen = ("gateway.listen=unix", f"model.path={json.dumps(str(home / 'model'))}", *sets)
        profile = load.load("cpu-demo", sets=chosen)
        return plans.make(profile, Places.of(home, {}), None, card.find(profile.model.card or ""), "0.32.0")

    return make
