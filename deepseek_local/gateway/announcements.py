"""
What happens at the front door apart from requests, on its way to the audit log: changes of the policy and of what proves identities, bans, and refusals that a ban suppressed.

It is written before the next decision, so that a record under a policy never precedes the record of its loading: whoever comes meanwhile
waits for the same attempt. What could not be written waits for the next one, in its place.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from deepseek_local.audit.record import Kind
from deepseek_local.gateway import metrics
from deepseek_local.gateway.authenticate import Authenticator
from deepseek_local.gateway.journal import Journal
from deepseek_local.identity.bans import Ban, Suppressed
from deepseek_local.identity.loads import Load
from deepseek_local.policy.live import LivePolicy
from deepseek_local.policy.news import Event, News

BANS_SECONDS = 1.0
"""How often it is asked whether a ban has ended."""


class Announcements:
    """What waits to be written, of one API server process."""

    def __init__(self, policy: LivePolicy, authenticator: Authenticator, journal: Journal) -> None:
        self._policy = policy
        self._authenticator = authenticator
        self._journal = journal
        self._waiting: deque[tuple[Kind, dict[str, object]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._next_bans = 0.0

    def gather(self) -> bool:
        """Look what has happened, and say whether something waits to be written; nothing, as a rule, and this costs next to nothing."""
        now = time.monotonic()
        # While nothing can be written, bans wait where they are counted, in bounded memory.
        self._note(self._authenticator.take_loads())
        if not self._waiting:
            self._warn(self._authenticator.take_begun())
            if now >= self._next_bans:
                self._next_bans = now + BANS_SECONDS
                self._take(self._authenticator.take_suppressed())
        if news := self._policy.news():
            self._tell(news)
        return bool(self._waiting)

    async def write(self) -> None:
        """Write what waits. Raises `AuditError`."""
        if not self._waiting:
            return
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())
            self._writing.add_done_callback(_notice)
        await asyncio.shield(self._writing)  # the client of one request may leave, the others wait on

    async def write_rest(self) -> None:
        """Write what a stop would lose. Raises `AuditError`."""
        self._note(self._authenticator.take_loads())
        self._warn(self._authenticator.take_begun())
        self._take(self._authenticator.take_suppressed(everything=True))
        self._tell(self._policy.news())
        await self.write()

    async def _write_waiting(self) -> None:
        while self._waiting:
            await self._journal.append(*self._waiting[0])
            self._waiting.popleft()

    def _note(self, loads: Iterable[Load]) -> None:
        for load in loads:
            self._waiting.append((Kind.IDENTITY_LOAD, _reading(load)))

    def _warn(self, begun: Iterable[Ban]) -> None:
        for ban in begun:
            since, until = _moment(ban.since), _moment(ban.until)
            self._waiting.append((Kind.BAN, {"ip": ban.address, "count": ban.failures, "since": since, "until": until}))

    def _take(self, suppressed: Iterable[Suppressed]) -> None:
        for each in suppressed:
            fields = {"ip": each.address, "reason": "banned", "count": each.count, "since": _moment(each.since)}
            self._waiting.append((Kind.SUPPRESSED, fields))
            metrics.banned()

    def _tell(self, news: Iterable[News]) -> None:
        for piece in news:
            if piece.event is Event.LOADED and piece.digest is not None:
                metrics.policy_generation(piece.digest)
            elif piece.event in {Event.REFUSED, Event.SHADOW_REFUSED, Event.GRANTS_REFUSED}:
                metrics.policy_refused()
            self._waiting.append((Kind.POLICY_LOAD, _fields(piece)))


def _notice(attempt: "asyncio.Task[None]") -> None:
    if not attempt.cancelled():
        attempt.exception()  # whoever waits for it gets it; asyncio must not complain when nobody does any more


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _reading(load: Load) -> dict[str, object]:
    told: dict[str, object] = {"act": "loaded" if load.reason is None else "refused", "obj": str(load.source)}
    values = {"digest": load.digest, "before": load.before, "reason": load.reason, "attr": dict(load.changes) or None}
    return told | {name: value for name, value in values.items() if value is not None}


def _fields(piece: News) -> dict[str, object]:
    told: dict[str, object] = {name: value for name, value in asdict(piece).items() if value is not None}
    told["act"] = str(told.pop("event"))
    if "digest" in told:
        told["pol"] = told.pop("digest")
    return told
