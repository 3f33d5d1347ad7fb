"""`deepseek-local audit prune`: let go of records that are older than the profile says they are kept."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change, who
from deepseek_local.audit.record import PRUNE
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import AuditError
from deepseek_local.evidence import prunable, prune
from deepseek_local.evidence.prunable import Prunable
from deepseek_local.profile import load
from deepseek_local.profile.places import Places
from deepseek_local.profile.retention import Retention, retention
from deepseek_local.profile.schema import Audit


@click.command("prune")
@click.option(
    "--yes",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_PRUNE_YES",
    show_envvar=True,
    help="Do it; without it, show what would be done.",
)
@click.option(
    "--archive",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_AUDIT_ARCHIVE",
    show_envvar=True,
    help="Move what is older than audit.online_days to this directory instead of deleting what is older than it is kept.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def command(
    *, yes: bool, archive: Path | None, home: Path, profile: str, sets: tuple[str, ...], output: Format
) -> None:
    """Take whole sealed segments out of the log that are older than the profile's retention, the oldest first."""
    chosen = load.load(profile, sets=sets, environment=os.environ)
    places, now = Places.of(home, os.environ), datetime.now(UTC)
    held = retention_of(chosen.audit)
    before = now - timedelta(days=held.kept_days if archive is None else held.online_days)
    found = prunable.plan(places.audit(chosen), before.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    if yes and found:
        _carry_out(places.audit(chosen), places.audit_socket, found, archive, now)
    listed = [
        {
            "segment": each.segment.name,
            "first": each.first,
            "last": each.last,
            "newest": each.newest,
            "bytes": each.bytes,
        }
        for each in found
    ]
    rows = [["-" if value is None else str(value) for value in each.values()] for each in listed]
    verb = ("is" if yes else "would be") + (" deleted" if archive is None else f" moved to {archive}")
    lines = [*render.table(["SEGMENT", "FIRST", "LAST", "NEWEST", "BYTES"], rows), f"This {verb}."]
    render.result(
        output, {"before": before.isoformat(), "done": yes, "segments": listed}, lines if found else [_nothing(before)]
    )


def retention_of(audit: Audit) -> Retention:
    """Return how long a profile says that records are kept. Raises `AuditError` when it does not say."""
    held = retention(audit.retention, audit.retention_days, audit.online_days)
    if held is None:
        raise AuditError(
            "the profile does not say how long records are kept, so none goes; set audit.retention or audit.retention_days"
        )
    return held


def _carry_out(directory: Path, socket: Path, chosen: Sequence[Prunable], archive: Path | None, now: datetime) -> None:
    """Copy where that is asked for, leave the record, and only then delete."""
    if archive is not None:
        prune.archive(chosen, archive)
    first, last = prune.extent(chosen)
    attributes = {"first": first, "last": last, "segments": len(chosen), "archived": archive is not None}
    if not record_change(socket, PRUNE, "audit", attributes):
        raise AuditError(f"nothing runs on {socket} that could record it, so nothing was pruned; start `serve` first")
    prune.remove(directory, chosen, now, who())


def _nothing(before: datetime) -> str:
    return f"No sealed segment at the beginning of the log is older than {before:%Y-%m-%d %H:%M} UTC."
