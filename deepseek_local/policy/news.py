"""What happened to the policy while requests came in: each piece of news becomes one record of the audit log."""

from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    """What happened."""

    LOADED = "loaded"
    """A policy is in force: at the start, or after a change."""
    REFUSED = "refused"
    """A changed policy is not used; the last good one stays in force."""
    SHADOW_LOADED = "shadow_loaded"
    """A policy is tried."""
    SHADOW_REFUSED = "shadow_refused"
    """A policy that was to be tried is not; the last good one still is, if there was one."""
    GRANT_BEGAN = "grant_began"
    """An emergency grant counts from now on."""
    GRANT_ENDED = "grant_ended"
    """An emergency grant does not count any more: its time is over, or it was withdrawn."""
    GRANTS_REFUSED = "grants_refused"
    """The file of emergency grants is broken, so none counts."""


@dataclass(frozen=True, slots=True)
class News:
    """One event; what does not apply to it is None."""

    event: Event
    digest: str | None = None
    """The policy that is in force, or tried, from now on."""
    before: str | None = None
    """The policy that was in force, or tried, until now, or still is."""
    reason: str | None = None
    """Why something is refused, or why an emergency grant was given."""
    grant: str | None = None
    """Identifier of the emergency grant."""
    principal: str | None = None
    """Who has the emergency grant."""
    role: str | None = None
    """The role that it gives."""
    tenant: str | None = None
    """The only tenant for which it counts."""
    until: str | None = None
    """When it ends by itself, as RFC 3339 in UTC."""
    by: str | None = None
    """Who gave it."""
