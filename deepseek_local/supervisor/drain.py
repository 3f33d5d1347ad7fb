"""
Stop without breaking anybody's answer: new requests are refused, running streams finish, then the engine ends.

vLLM keeps accepting requests while it drains (`vllm/entrypoints/launchers/launcher.py`), so the front door must refuse them first; it does
while a file exists, and each API process looks for it at its own pace. Only then the engine gets SIGTERM; its `--shutdown-timeout` limits
how long streams may go on, and uvicorn's own shutdown has no limit at all, hence the margin and the kill.
"""

import asyncio
import logging
import time
from pathlib import Path
from typing import NoReturn

from deepseek_local.supervisor.children import Supervised
from deepseek_local.supervisor.front_door import FrontDoor, NotNowError
from deepseek_local.supervisor.waiting import race

_log = logging.getLogger(__name__)

MARGIN_SECONDS = 10.0
"""What the engine may take beyond its own limit before it is killed; streams that are left then hang, so it is short."""
_TELL_SECONDS = 9.0
_SETTLE_SECONDS = 0.5
_CONFIRM_SECONDS = 3.0
_PAUSE_SECONDS = 0.1


async def drain(engine: Supervised, door: FrontDoor, drain_file: Path, drain_seconds: float) -> None:
    """Refuse new requests, let the running ones finish, and end the engine."""
    if not (_refuse_from_now_on(drain_file) and await _refusing(door)):
        _log.warning("the front door did not confirm that it refuses new requests; the engine is stopped all the same")
    limit = drain_seconds + MARGIN_SECONDS
    await race(engine.stop(limit), _tell(limit))


async def _tell(limit_seconds: float) -> NoReturn:
    """Say now and then what is being waited for."""
    end = time.monotonic() + limit_seconds
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        _log.info("waiting for running answers and the engine, at most %.0f s more", max(end - time.monotonic(), 0))


def _refuse_from_now_on(drain_file: Path) -> bool:
    try:
        drain_file.touch(mode=0o640)
    except OSError as error:
        _log.warning("%s cannot be created (%s), so new requests are not refused", drain_file, error.strerror)
        return False
    return True


async def _refusing(door: FrontDoor) -> bool:
    """Wait until the front door has refused for long enough that every API process must have seen the file."""
    end = time.monotonic() + _CONFIRM_SECONDS
    since: float | None = None
    while (now := time.monotonic()) < end:
        try:
            refuses = await door.refuses_everybody()
        except NotNowError:
            return False
        since = (since or now) if refuses else None
        if since is not None and now - since >= _SETTLE_SECONDS:
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
    return False
