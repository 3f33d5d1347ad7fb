"""
Emergency grants: a principal gets a role for at most eight hours, with a reason, from a private file that the front door watches.

    {"version": 1, "grants": [
    {"id": "0a1b2c3d", "principal": "u:alice", "role": "admin", "since": "2026-11-24T03:00:00Z", "until": "2026-11-24T04:00:00Z",
     "reason": "the engine hangs, ticket 4711", "by": "os:root"}
    ]}

It is a file and not a route, because who opens the glass must already be somebody on this host, and because it has to work while the
front door refuses everybody. What is read is held to the same rules as what is written: an end too far away or a missing reason makes
the whole file useless, whoever wrote it. Grants that ended leave the file with the next change; the audit log has their story.
"""

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from deepseek_local.access import CANARY, PRINCIPAL, ROLE, TENANT
from deepseek_local.errors import PolicyError, Problem
from deepseek_local.files import is_private, lock, read_regular, write_atomic

MAXIMUM_DURATION = timedelta(hours=8)
"""The longest emergency; what lasts longer belongs into the policy, where a second person can read it."""
MAXIMUM_GRANTS = 64
MAXIMUM_BYTES = 131_072

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Role = Annotated[str, msgspec.Meta(pattern=rf"^{ROLE.pattern}\Z")]
Tenant = Annotated[str, msgspec.Meta(pattern=rf"^{TENANT.pattern}\Z")]
Sentence = Annotated[str, msgspec.Meta(min_length=10, max_length=500)]


class EmergencyGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Who has which role until when, why, and who gave it."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z")]
    principal: Annotated[str, msgspec.Meta(pattern=rf"^{PRINCIPAL.pattern}\Z")]
    role: Role
    tenant: Tenant | None = None
    """The only tenant for which it counts; None for all."""
    since: Moment
    until: Moment
    """When it ends by itself."""
    reason: Sentence
    by: Annotated[str, msgspec.Meta(pattern=r"^os:[A-Za-z0-9._@$+\\-]{1,64}\Z")]
    """The user of this host who gave it; those of a directory are called `SITE\\alice` or `SITE+alice`."""

    def is_active(self, now: datetime) -> bool:
        """Whether it counts at this moment."""
        return self.since <= now < self.until


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    grants: Annotated[tuple[EmergencyGrant, ...], msgspec.Meta(max_length=MAXIMUM_GRANTS)]


def make(
    *,
    principal: str,
    role: str,
    tenant: str | None,
    since: datetime,
    duration: timedelta,
    reason: str,
    by: str,
) -> EmergencyGrant:
    """Return a grant with a new identifier, which counts nowhere yet. Raises `PolicyError` for one that `read` would not take."""
    fields = {"id": secrets.token_hex(4), "principal": principal, "role": role, "tenant": tenant, "reason": reason}
    try:
        entry = msgspec.convert({**fields, "since": since, "until": since + duration, "by": by}, EmergencyGrant)
    except msgspec.ValidationError as error:
        raise PolicyError([Problem(f"is not given ({error}); mend that part", "break-glass")]) from error
    mistakes = tuple(Problem(mistake, "break-glass") for mistake in _mistakes(entry))
    if mistakes:
        raise PolicyError(mistakes)
    return entry


def read(path: Path, now: datetime) -> tuple[EmergencyGrant, ...]:
    """Return the grants that count now; none where there is no file. Raises `PolicyError` if the file is open to others or broken."""
    return tuple(entry for entry in _read(path) if entry.is_active(now))


def grant(path: Path, entry: EmergencyGrant) -> None:
    """Let a grant count from now on, and forget those that ended before it began. Raises `PolicyError`."""
    with _locked(path):
        kept = [known for known in _read(path) if known.until > entry.since]
        if len(kept) >= MAXIMUM_GRANTS:
            raise _broken(path, f"has {len(kept)} grants already; withdraw those that are not needed")
        _write(path, [*kept, entry])


def withdraw(path: Path, identifier: str, now: datetime) -> EmergencyGrant:
    """End a grant before its time and return it. Raises `PolicyError`, also when none of that name counts."""
    with _locked(path):
        known = _read(path)
        entry = next((entry for entry in known if entry.id == identifier and entry.until > now), None)
        if entry is None:
            raise _broken(
                path,
                f"has no grant {identifier!r} that could end; `deepseek-local policy break-glass list` shows them",
            )
        _write(path, [other for other in known if other is not entry])
    return entry


def _read(path: Path) -> tuple[EmergencyGrant, ...]:
    try:
        content = read_regular(path, MAXIMUM_BYTES + 1)
        private = is_private(path)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror}); check its type, owner and mode") from error
    if not private:
        raise _broken(path, f"can be read or written by others; run: chmod 600 {path}")
    if len(content) > MAXIMUM_BYTES:
        raise _broken(path, f"has more than {MAXIMUM_BYTES} bytes; remove what is not needed")
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> tuple[EmergencyGrant, ...]:
    try:
        grants = msgspec.convert(json.loads(content, object_pairs_hook=_without_duplicates), _File).grants
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"cannot be understood ({error}); mend or remove it") from error
    mistakes = [f"grant {entry.id}: {mistake}" for entry in grants for mistake in _mistakes(entry)]
    if len({entry.id for entry in grants}) < len(grants):
        mistakes.append("has two grants of one id; give each its own")
    if mistakes:
        raise PolicyError([Problem(mistake, str(path)) for mistake in mistakes])
    return grants


def _mistakes(entry: EmergencyGrant) -> Iterator[str]:
    """Find what types and patterns cannot express."""
    if entry.principal == CANARY:
        yield f"{CANARY} is who asks the golden question; name another principal"
    if not timedelta() < entry.until - entry.since <= MAXIMUM_DURATION:
        yield f"lasts {entry.until - entry.since}, it must last more than nothing and at most {MAXIMUM_DURATION}; name an earlier end"
    if not entry.reason.isprintable() or entry.reason != entry.reason.strip():
        yield "reason must be one line of printable text; write it without line breaks"


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _write(path: Path, grants: Sequence[EmergencyGrant]) -> None:
    lines = b",\n".join(msgspec.json.encode(entry) for entry in grants)
    content = b'{"version": 1, "grants": [\n' + lines + b"\n]}\n"
    try:
        # Changed by root, it must stay readable for the service's user.
        write_atomic(path, content, keep_owner=True)
    except OSError as error:
        raise _broken(path, f"cannot be written ({error.strerror}); nothing was changed") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        descriptor = lock(path)
    except OSError as error:
        raise _broken(path, f"has a lock that cannot be opened ({error.strerror}); check the directory") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _broken(path: Path, message: str) -> PolicyError:
    return PolicyError([Problem(message, str(path))])
