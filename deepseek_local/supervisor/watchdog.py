"""
Is it still well? Health every few seconds and the golden question now and then; `watch` returns when the engine must be restarted.

`/health` notices a dead engine, but not a hung GPU nor one that computes garbage; the golden question does. What the front door answers
with 503 is counted by health alone: a question that met a full queue or a dead sequencer says nothing about the engine. Nor does a late
answer of an engine that is busy with others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deepseek_local.errors import LaunchError
from deepseek_local.supervisor.activity import Activity
from deepseek_local.supervisor.front_door import FrontDoor, NotNowError, SlowError
from deepseek_local.supervisor.heart import Heart
from deepseek_local.supervisor.waiting import race

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often is asked."""

    health_seconds: float
    canary_seconds: float


@dataclass(frozen=True, slots=True)
class _Probe:
    """One question that is asked again and again."""

    name: str
    check: Callable[[], Awaitable[None]]
    interval_seconds: float
    allowed_misses: int
    """So many in a row and the engine is restarted."""
    is_verdict: Callable[[LaunchError], bool]
    """Whether a failure says something about the engine."""


async def watch(door: FrontDoor, rhythm: Rhythm, heart: Heart, activity: Activity) -> str:
    """Return, as soon as it is known, why the engine must be restarted."""

    def about_the_engine(error: LaunchError) -> bool:
        computes = activity.has_computed()
        return not isinstance(error, NotNowError) and not (isinstance(error, SlowError) and computes)

    health = _Probe("the health probe", door.check_health, rhythm.health_seconds, 3, lambda _: True)
    golden = _Probe("the golden question", door.check_answer, rhythm.canary_seconds, 2, about_the_engine)
    _, reason = await race(_watch(health, heart), _watch(golden, heart))
    return reason


async def _watch(probe: _Probe, heart: Heart) -> str:
    misses = 0
    while True:
        await asyncio.sleep(probe.interval_seconds)
        try:
            await probe.check()
            misses = 0
        except LaunchError as error:
            if not probe.is_verdict(error):
                _log.warning("%s had no result: %s", probe.name, error)
                continue
            misses += 1
            _log.warning("%s failed (%d of %d): %s", probe.name, misses, probe.allowed_misses, error)
            if misses >= probe.allowed_misses:
                return f"{probe.name} failed {misses} times in a row: {error}"
        heart.hear(probe.name, well=misses == 0)
