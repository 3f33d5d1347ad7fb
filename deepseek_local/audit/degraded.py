"""
The client of a deployment that prefers an answer without a durable record to none: `audit.mode: degraded`.

While acknowledgements come it is an `AuditClient`. When one does not come in time, or the log has no room, nobody waits any more: records go
into a ring in memory, the oldest falls out when the ring is full, and one task tries to write them. What is written late says in `late_us`
how late; what fell out is told by a `gap` record before the rest, with its number and the time from the first to the last of them.

The order of records is kept, but one whose acknowledgement was lost is written once more: here twice is better than never. A process
that dies takes its ring with it, and nobody is left to write the `gap`.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Protocol

from deepseek_local.audit import wire
from deepseek_local.audit.client import AuditClient
from deepseek_local.audit.link import Watcher
from deepseek_local.audit.record import Kind
from deepseek_local.audit.ring import Held, Loss, Ring, failure
from deepseek_local.errors import AuditError

RING_RECORDS = 65_536
"""Records that one process holds at most."""
RING_BYTES = 64 * 1024 * 1024
"""Bytes of their lines at most."""
RETRY_SECONDS = 1.0
"""Pause between two attempts."""
WINDOW = 256
"""Late records in flight, once one was acknowledged."""

_logger = logging.getLogger(__name__)


class LossWatcher(Watcher, Protocol):
    """A watcher that also hears of records that are gone."""

    def lost(self, count: int) -> None:
        """Take note that so many records fell out of the ring, or end with this process."""


class DegradedClient:
    """Records of one asyncio process, which wait for the disk for one timeout and no longer."""

    def __init__(
        self,
        client: AuditClient,
        ring_records: int = RING_RECORDS,
        ring_bytes: int = RING_BYTES,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._client = client
        self._retry_seconds = retry_seconds
        self._ring = Ring(ring_records, ring_bytes)
        """Those in flight, and behind them, while records are late, those that wait."""
        self._catching_up: asyncio.Task[None] | None = None
        self._watcher: LossWatcher | None = None

    def watch(self, watcher: LossWatcher) -> None:
        """Tell this watcher how records fare."""
        self._watcher = watcher
        self._client.watch(watcher)

    def append(self, kind: str, fields: Mapping[str, object]) -> "asyncio.Future[None]":
        """
        Send or hold a record; the future is done when it is on disk, or when that takes too long, and never fails.

        Raises `AuditError` for a record that cannot be one.
        """
        held = Held(wire.body(kind, fields))
        caller = asyncio.get_running_loop().create_future()
        self._ring.push(held)
        if self._catching_up is None:
            held.sent = self._client.send(held.encoded)
            held.sent.add_done_callback(lambda sent: self._end(sent, caller))
        else:
            self._tell_lost(self._ring.trim())
            caller.set_result(None)
        return caller

    async def finish(self, seconds: float) -> None:
        """Wait so long for records that are late; call it before `close`, when no more are to come."""
        if self._catching_up is not None:
            await asyncio.wait((self._catching_up,), timeout=seconds)

    def close(self) -> None:
        """Give up the connection and whatever is held."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            _logger.error("%d audit records end with this process, nothing could take them", len(self._ring))
            self._tell_lost(len(self._ring))
        self._client.close()

    def _end(self, sent: "asyncio.Future[None]", caller: "asyncio.Future[None]") -> None:
        """Let a caller go on, for better or worse."""
        if failure(sent) is not None and self._catching_up is None:
            self._catching_up = asyncio.ensure_future(self._catch_up())
        self._ring.forget_written()
        if not caller.done():
            caller.set_result(None)

    def _tell_lost(self, count: int) -> None:
        if self._watcher is not None and count:
            self._watcher.lost(count)

    async def _catch_up(self) -> None:
        """Write what is held, oldest first, one record at first and then many at a time, until nothing is left."""
        window = 1
        while len(self._ring) or self._ring.loss.count:
            try:
                await self._tell_gap()
                await self._write_oldest(window)
                window = WINDOW
            except AuditError:
                window = 1
                await asyncio.sleep(self._retry_seconds)
        self._catching_up = None

    async def _tell_gap(self) -> None:
        """Write the `gap` record, if there is one to write. Raises `AuditError`."""
        loss, self._ring.loss = self._ring.loss, Loss()
        if not loss.count:
            return
        try:
            await self._client.append(Kind.GAP, loss.fields())
        except AuditError:
            loss.add(self._ring.loss)
            self._ring.loss = loss
            raise

    async def _write_oldest(self, count: int) -> None:
        """Write so many of the oldest records. Raises `AuditError`."""
        while len(self._ring) and (sent := self._ring.oldest.sent) is not None and not sent.done():
            await asyncio.wait((sent,))
        self._ring.forget_written()
        taken = self._ring.take(count)
        try:
            attempts = [self._write_late(held) for held in taken if not held.is_written]
            if attempts:
                await asyncio.wait(attempts)
        finally:
            self._ring.put_back()
            self._tell_lost(self._ring.trim())
        for attempt in attempts:
            if (error := failure(attempt)) is not None:
                raise error

    def _write_late(self, held: Held) -> "asyncio.Future[None]":
        held.sent = self._client.send(wire.late(held.encoded, time.monotonic_ns() - held.mono_ns))
        return held.sent
