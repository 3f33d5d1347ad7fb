"""Plans of shipped profiles, made as `serve` makes them, but for a checkpoint that nobody has looked at."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_local import plan
from deepseek_local.models import card
from deepseek_local.profile import load
from deepseek_local.profile.places import Places

PLACES = Places(Path("/srv/deepseek-local"), Path("/run/deepseek-local"))

Planned = Callable[..., plan.Plan]


@pytest.fixture(scope="session")
def planned() -> Planned:
    """Return a function from a profile's name and `--set` texts to its plan."""

    def make(name: str = "cpu-demo", *sets: str, version: str = "0.32.0") -> plan.Plan:
        profile = load.load(name, sets=sets)
        found = card.find(profile.model.card) if profile.model.card else None
        return plan.make(profile, PLACES, None, found, version)

    return make
