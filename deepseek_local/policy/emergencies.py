"""The emergency grants that count now: their file is looked at while requests come in, and a broken file grants nothing."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deepseek_local.errors import PolicyError
from deepseek_local.files import Watch
from deepseek_local.policy import break_glass
from deepseek_local.policy.break_glass import EmergencyGrant
from deepseek_local.policy.news import Event, News

RECHECK_SECONDS = 1.0
"""How often the file is read though nobody changed it: grants begin and end by the clock."""


class WatchedGrants:
    """The grants of one file."""

    def __init__(self, path: Path, watch: Callable[[Sequence[Path]], Watch], now: Callable[[], datetime]) -> None:
        self.active: tuple[EmergencyGrant, ...] = ()
        self._path, self._now = path, now
        self._watch = watch([path])
        self._stamps: object = None
        self._read_at: float | None = None
        self._failure: str | None = None

    def look(self) -> tuple[News, ...]:
        """Look at the file and at the clock; return what has changed."""
        stamps = self._watch.stamps()
        if stamps == self._stamps == (None,):
            return ()
        now = self._now()
        due = self._read_at is None or not 0 <= now.timestamp() - self._read_at < RECHECK_SECONDS
        if stamps == self._stamps and not due:
            return ()
        self._stamps, self._read_at = stamps, now.timestamp()
        before, failure = self.active, self._failure
        try:
            self.active, self._failure = break_glass.read(self._path, now), None
        except PolicyError as error:
            self.active, self._failure = (), str(error)
        return tuple(_news(before, self.active, self._failure if self._failure != failure else None))


def _news(before: Sequence[EmergencyGrant], after: Sequence[EmergencyGrant], failure: str | None) -> Iterator[News]:
    if failure is not None:
        yield News(Event.GRANTS_REFUSED, reason=failure)
    yield from (_about(Event.GRANT_ENDED, grant) for grant in before if grant not in after)
    yield from (_about(Event.GRANT_BEGAN, grant) for grant in after if grant not in before)


def _about(event: Event, grant: EmergencyGrant) -> News:
    return News(
        event,
        reason=grant.reason,
        grant=grant.id,
        principal=grant.principal,
        role=grant.role,
        tenant=grant.tenant,
        until=grant.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        by=grant.by,
    )
