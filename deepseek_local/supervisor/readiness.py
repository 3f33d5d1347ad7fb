"""
When is it ready? When the front door refused whom it must refuse and the engine gave the golden answer through it, in this order.

A door that lets somebody in, or a wrong answer, ends the start at once; what cannot be asked yet is asked again until the start's time is
up. Nothing here looks past the front door: what a client would meet is what counts.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from deepseek_local.errors import LaunchError
from deepseek_local.supervisor.front_door import FrontDoor, NotNowError

_PAUSE_SECONDS = 0.25


async def wait_until_ready(door: FrontDoor, timeout_seconds: float, report: Callable[[str], None]) -> None:
    """Return when everything holds. Raises `LaunchError` when something does not, or time is up."""
    deadline = time.monotonic() + timeout_seconds
    await _insist(door.check_health, deadline, timeout_seconds)
    report("asking without a token, which must be refused")
    await _insist(door.check_refusal, deadline, timeout_seconds)
    report("asking for what the policy forbids, which must be refused")
    await _insist(door.check_prohibition, deadline, timeout_seconds)
    report("asking the golden question")
    await _insist(door.check_answer, deadline, timeout_seconds)


async def _insist(check: Callable[[], Awaitable[None]], deadline: float, timeout_seconds: float) -> None:
    """Check until the front door has an answer."""
    while True:
        try:
            await check()
        except NotNowError as error:
            if time.monotonic() >= deadline:
                raise LaunchError(
                    f"the front door was not ready within {timeout_seconds:g} s ({error}); "
                    "raise engine.start_timeout_seconds if the engine only needs longer"
                ) from error
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
