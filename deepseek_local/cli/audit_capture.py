"""`deepseek-local audit capture`: read what the encrypted store of prompts and answers holds, and let go of what is old."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change
from deepseek_local.capture import days
from deepseek_local.capture.days import Day
from deepseek_local.capture.store import Store
from deepseek_local.cli import render
from deepseek_local.cli.audit_prune import retention_of
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import AuditError
from deepseek_local.identity import keys
from deepseek_local.profile import load
from deepseek_local.profile.places import Places


@click.group("capture")
def command() -> None:
    """Read captured prompts and answers, and delete old ones."""


@command.command()
@click.argument("digest")
@home_option
@verbose_option
def show(*, digest: str, home: Path) -> None:
    """Write the text that a record names in `capture` to stdout, byte for byte; that it was read is on record before."""
    places = Places.of(home, os.environ)
    if not places.capture_key.exists():
        raise AuditError(f"nothing was captured in {home}; texts are kept only where the profile has audit.capture: on")
    text = Store(places.captures, keys.read(places.capture_key)).get(digest)
    if not record_change(places.audit_socket, "capture_show", "capture", {"digest": digest}):
        render.note("Nothing runs in this home, so no audit log takes a record of this.")
    render.content(text)


@command.command()
@click.option(
    "--yes",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_CAPTURE_PRUNE_YES",
    show_envvar=True,
    help="Do it; without it, show what would be done.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def prune(*, yes: bool, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Delete the texts of whole days that are older than the profile's retention, the key of each day first."""
    held = retention_of(load.load(profile, sets=sets, environment=os.environ).audit)
    places = Places.of(home, os.environ)
    limit = (datetime.now(UTC) - timedelta(days=held.kept_days)).date()
    found = days.before(places.captures, limit)
    if yes and found:
        _forget(places, found)
    rows = [[day.name, str(day.texts), str(day.bytes)] for day in found]
    lines = [*render.table(["DAY", "TEXTS", "BYTES"], rows), f"This {'is' if yes else 'would be'} deleted."]
    nothing = f"No texts of a day before {limit} are stored."
    listed = [{"day": day.name, "texts": day.texts, "bytes": day.bytes} for day in found]
    render.result(output, {"before": limit.isoformat(), "done": yes, "days": listed}, lines if found else [nothing])


def _forget(places: Places, found: Sequence[Day]) -> None:
    """Leave the record, and only then delete."""
    attributes = {
        "first": found[0].name,
        "last": found[-1].name,
        "days": len(found),
        "texts": sum(day.texts for day in found),
    }
    if not record_change(places.audit_socket, "capture_prune", "capture", attributes):
        raise AuditError(
            f"nothing runs on {places.audit_socket} that could record it, so nothing was deleted; start `serve` first"
        )
    for day in found:
        days.forget(places.captures, day)
