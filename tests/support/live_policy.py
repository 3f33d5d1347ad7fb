"""What tests of a policy that follows its files need: clocks that are set, files that are always looked at, and loading without chance."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deepseek_local.errors import PolicyError
from deepseek_local.files import Watch

Work = Callable[[], object]


class Clock:
    """Both the clock on the wall and the one that measures how long something takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return datetime(2026, 11, 24, 3, tzinfo=UTC) + timedelta(seconds=self.now)


def at_once(work: Work) -> Future:
    """Begin and end the work before anything else happens."""
    future: Future = Future()
    try:
        future.set_result(work())
    except PolicyError as error:
        future.set_exception(error)
    return future


class Later:
    """Begins nothing until it is told to: the slowest thread of all."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Work, Future]] = []

    def __call__(self, work: Work) -> Future:
        future: Future = Future()
        self.waiting.append((work, future))
        return future

    def work(self) -> None:
        work, future = self.waiting.pop()
        future.set_result(work())


def always(paths: Sequence[Path]) -> Watch:
    return Watch(paths, 0)
