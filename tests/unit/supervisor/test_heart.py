"""The sign of life that systemd waits for."""

import asyncio
from types import SimpleNamespace

import pytest

from deepseek_local.supervisor import heart
from deepseek_local.supervisor.heart import Heart
from deepseek_local.supervisor.notify import Notifier


def test_it_is_withheld_while_a_probe_fails(monkeypatch) -> None:
    heard = iter([("health", False), ("golden", False), ("health", True), ("golden", True), ("health", True)])
    rounds = []
    beats = []
    beating = Heart(SimpleNamespace(watchdog_seconds=3.0, alive=lambda: beats.append(len(rounds))))

    async def pause(seconds: float) -> None:
        assert seconds == 1.0
        rounds.append(seconds)
        probe, well = next(heard)
        beating.hear(probe, well=well)

    monkeypatch.setattr(heart.asyncio, "sleep", pause)
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(beating.beat())
    assert beats == [0, 4, 5]


def test_a_new_engine_begins_without_the_failures_of_the_old_one(monkeypatch) -> None:
    beats = []
    beating = Heart(SimpleNamespace(watchdog_seconds=3.0, alive=lambda: beats.append("alive")))
    beating.hear("health", well=False)
    beating.reset()

    async def pause(_: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(heart.asyncio, "sleep", pause)
    with pytest.raises(TimeoutError):
        asyncio.run(beating.beat())
    assert beats == ["alive"]


def test_nobody_who_does_not_wait_gets_one() -> None:
    asyncio.run(Heart(Notifier.of({})).beat())
