"""Waiting for what another process does, for a while."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
