"""
Equal refusals within a window become two records: the first at once, the rest as a count when the window ends.

So whoever is refused leaves a trace immediately, and whoever is refused a thousand times a second cannot fill the disk: at most
`2 * KINDS_LIMIT` records a window, whatever comes in. Memory is bounded the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from deepseek_local.audit.record import Kind
from deepseek_local.proxy_log.lines import Refusal

WINDOW_SECONDS = 10.0
KINDS_LIMIT = 1_024
"""Different refusals in one window; of more, only their reasons are told apart, and no longer their addresses."""

Entry = tuple[Kind, dict[str, object]]
"""Kind and fields of a record."""


@dataclass(slots=True)
class _Held:
    since: datetime
    ends: float
    count: int


class Flood:
    """The refusals of the current windows. It reads no clock: seconds are those of any monotonic one."""

    def __init__(self) -> None:
        self._held: dict[Refusal, _Held] = {}
        """In the order in which their windows end."""

    def take(self, refusal: Refusal, seconds: float, moment: datetime) -> Entry | None:
        """Return the record to write at once; None where the refusal is only counted."""
        is_crowded = len(self._held) >= KINDS_LIMIT and refusal not in self._held
        if is_crowded:
            refusal = replace(refusal, address=None, detail=None)
        held = self._held.get(refusal)
        if held is not None:
            held.count += 1
            return None
        self._held[refusal] = _Held(moment, seconds + WINDOW_SECONDS, int(is_crowded))
        return None if is_crowded else (refusal.kind, _fields(refusal))

    def ended(self, seconds: float = float("inf")) -> Iterator[Entry]:
        """Yield a record for every window that has ended by now and in which something was only counted; by default end all."""
        while self._held:
            refusal, held = next(iter(self._held.items()))
            if held.ends > seconds:
                return
            del self._held[refusal]
            if held.count:
                since = held.since.strftime("%Y-%m-%dT%H:%M:%SZ")
                yield Kind.SUPPRESSED, {**_fields(refusal), "count": held.count, "since": since}


def _fields(refusal: Refusal) -> dict[str, object]:
    known = {"ip": refusal.address, "status": refusal.status, "detail": refusal.detail}
    return {"reason": refusal.reason, **{name: value for name, value in known.items() if value is not None}}
