"""
The engine's keeper: start it, prove it, open it to clients, watch it, start it again; until somebody asks to stop.

A *life* of the engine is one process from its start to its end. A first life that never became ready ends `serve`, because whoever
started it is there to read why; later lives are followed by another one, after a pause that grows.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from deepseek_local.errors import LaunchError, ModelError
from deepseek_local.models import checkpoint
from deepseek_local.supervisor import cause, sockets, state
from deepseek_local.supervisor.activity import Activity
from deepseek_local.supervisor.backoff import Backoff
from deepseek_local.supervisor.children import Supervised
from deepseek_local.supervisor.deployment import Deployment
from deepseek_local.supervisor.drain import drain
from deepseek_local.supervisor.front_door import FrontDoor
from deepseek_local.supervisor.heart import Heart
from deepseek_local.supervisor.journal import Journal
from deepseek_local.supervisor.loading import Loading
from deepseek_local.supervisor.notify import Notifier
from deepseek_local.supervisor.readiness import wait_until_ready
from deepseek_local.supervisor.stop import Stop
from deepseek_local.supervisor.waiting import race
from deepseek_local.supervisor.watchdog import watch

_log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0


class EngineKeeper:
    """Keeps one engine alive."""

    def __init__(
        self,
        deployment: Deployment,
        stop: Stop,
        *,
        heart: Heart,
        notifier: Notifier,
        journal: Journal,
        announce: Callable[[], None],
    ) -> None:
        self._deployment = deployment
        times = deployment.times
        self._door = FrontDoor(deployment.address, deployment.canary, times.probe_seconds, times.canary_seconds)
        self._stop = stop
        self._heart = heart
        self._notifier = notifier
        self._journal = journal
        self._announce = announce
        self._engine: Supervised | None = None
        self._proven = False
        self._announced = False

    async def keep(self) -> None:
        """Return when a stop was asked for and done. Raises `LaunchError` if the first life never became ready."""
        backoff = Backoff()
        while not self._stop.requested:
            began = time.monotonic()
            try:
                ended = await self._live()
            except LaunchError as error:
                ended = str(error)
            if ended is None:
                return
            if not self._announced:
                await self._journal.note("engine_end", ended)
                raise LaunchError(f"the engine did not become ready: {ended}")
            await self._pause(ended, backoff.after(time.monotonic() - began))

    def kill(self) -> None:
        """End the engine at once."""
        if self._engine is not None:
            self._engine.kill()

    async def _live(self) -> str | None:
        """Go through one life; return why it ended, or None when a stop was asked for. Raises `LaunchError` like `_serve`."""
        self._proven = False
        if self._deployment.front_socket is not None:
            sockets.remove_dead(self._deployment.front_socket)
        self._notifier.status("starting the engine")
        await self._journal.note("engine_start", more={"revision": await self._revision()})
        self._engine = engine = await Supervised.start("engine", self._deployment.engine, cause.explain)
        try:
            winner, ended = await race(self._stop.wait(), engine.wait(), self._serve(engine))
            return ended if winner else None
        finally:
            await self._end(engine)

    async def _revision(self) -> str:
        """Say which model this life will serve, as far as that can be read: it may have been changed since the last one."""
        try:
            return await asyncio.to_thread(checkpoint.revision, self._deployment.checkpoint)
        except (ModelError, OSError) as error:
            return f"unreadable: {error}"

    async def _serve(self, engine: Supervised) -> str:
        """
        Prove the engine, open it to clients and watch it; return what is wrong with it.

        Raises `LaunchError` when it cannot be proven or opened.
        """
        loading = Loading(engine)
        await race(wait_until_ready(self._door, self._deployment.times.start_seconds, loading.report), loading.follow())
        await self._open(engine)
        return await watch(self._door, self._deployment.rhythm, self._heart, Activity(engine.tail()))

    async def _open(self, engine: Supervised) -> None:
        if self._deployment.front_socket is not None:
            sockets.open_to_group(self._deployment.front_socket, self._deployment.socket_group)
        self._proven = True
        self._heart.reset()
        await self._journal.note("engine_ready")
        if not self._announced:
            # Before anybody is told: whoever hears of it may look there at once.
            _write_state(self._deployment)
        self._notifier.ready(f"serving {self._deployment.state.model} at {self._deployment.state.url}")
        _log.info("ready after %.1f s", engine.lived_seconds())
        if not self._announced:
            self._announce()
            self._announced = True

    async def _end(self, engine: Supervised) -> None:
        """End what is left of the engine: by draining what still serves, gently what has served, at once what never should."""
        if self._stop.requested and self._proven:
            self._notifier.stopping("finishing running answers")
            await drain(engine, self._door, self._deployment.drain_file, self._deployment.times.drain_seconds)
        else:
            await engine.stop(_GRACE_SECONDS if self._proven or self._stop.requested else 0)
        if self._deployment.front_socket is not None:
            self._deployment.front_socket.unlink(missing_ok=True)

    async def _pause(self, ended: str, seconds: float) -> None:
        self._notifier.status(f"the engine ended and is started again: {ended}")
        _log.error("the engine ended and is started again in %.1f s: %s", seconds, ended)
        await self._journal.note("engine_end", ended)
        await self._stop.pause(seconds)


def _write_state(deployment: Deployment) -> None:
    try:
        state.write(deployment.state_file, deployment.state)
    except OSError as error:
        raise LaunchError(f"{deployment.state_file} cannot be written ({error.strerror}); free some space") from error
