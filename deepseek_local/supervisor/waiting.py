"""Waiting: for the first of several things, and for what no event announces."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

Result = TypeVar("Result")


async def race(*runners: Coroutine[object, object, Result]) -> tuple[int, Result]:
    """
    Return the index and the result of the first that ends; the others are cancelled and have ended on return.

    Raises what the winner raises. Of several that end in the same moment, the first in order wins.
    """
    tasks = [asyncio.ensure_future(runner) for runner in runners]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        winner = next(index for index, task in enumerate(tasks) if task.done())
        return winner, tasks[winner].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool], pause_seconds: float = 0.02) -> None:
    """Return when the condition holds. It is about other processes, which set no event of ours."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(pause_seconds)
