"""`deepseek-local quota`: what is used of every quota, and how to begin it anew."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TypeVar

import click

from deepseek_local.audit.admin import record_change
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import QuotaError
from deepseek_local.profile import handover, load
from deepseek_local.profile.places import Places
from deepseek_local.quota import ledger, limits
from deepseek_local.quota.standing import Entry

Answer = TypeVar("Answer")


@click.group()
def command() -> None:
    """Show what is used of the quotas, and set it to zero."""


@command.command()
@click.option(
    "--principal",
    metavar="NAME",
    envvar="DEEPSEEK_LOCAL_QUOTA_PRINCIPAL",
    show_envvar=True,
    help="Show only what is counted for this principal, such as u:alice.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def show(*, principal: str | None, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Show every counter that is in use now, with its limit and when it resets."""
    desk = _Desk(profile, sets, home)
    entries = [entry for entry in desk.entries() if principal in (None, limits.parts(entry.scope).get("principal"))]
    found = [desk.described(entry) for entry in entries]
    rows = [["-" if value is None else str(value) for value in each.values()] for each in found]
    render.result(output, found, render.table(["COUNTER", "KIND", "USED", "LIMIT", "RESETS IN S"], rows))


@command.command()
@click.argument("counter", required=False)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_QUOTA_ALL",
    show_envvar=True,
    help="Reset every counter instead of COUNTER.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_DRY_RUN",
    show_envvar=True,
    help="Show what would be reset, and reset nothing.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def reset(
    *,
    counter: str | None,
    everything: bool,
    dry_run: bool,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Set COUNTER, as `quota show` lists it, to zero; requests that run go on counting as running."""
    if everything == (counter is not None):
        raise click.UsageError("name one COUNTER, or write --all")
    desk = _Desk(profile, sets, home)
    chosen = [
        entry for entry in desk.entries() if entry.resets_in_seconds is not None and counter in (None, entry.scope)
    ]
    if counter is not None and not chosen:
        raise QuotaError(f"nothing is counted under {counter!r} now; `quota show` lists what is")
    if not dry_run:
        desk.reset(counter, chosen)
    found = [desk.described(entry) for entry in chosen]
    verb = "would be" if dry_run else "is"
    lines = [f"{entry.scope} {entry.kind}: {entry.used} {verb} set to 0." for entry in chosen]
    render.result(output, found, lines)


class _Desk:
    """The ledger of one deployment, for one command."""

    def __init__(self, profile: str, sets: Sequence[str], home: Path) -> None:
        chosen = load.load(profile, sets=sets, environment=os.environ)
        self._places = Places.of(home, os.environ)
        self._rules = limits.rules(chosen.gateway.quotas)
        self._settings = handover.ledger_settings(chosen, self._places)

    def entries(self) -> tuple[Entry, ...]:
        return self._ask(lambda book: book.show())

    def described(self, entry: Entry) -> dict[str, str | int | None]:
        return {
            "counter": entry.scope,
            "kind": entry.kind,
            "used": entry.used,
            "limit": limits.limit_of(self._rules, entry.scope, entry.kind),
            "resets_in_seconds": entry.resets_in_seconds,
        }

    def reset(self, scope: str | None, entries: Sequence[Entry]) -> None:
        """Record the reset, and what it forgets where that is short; then do it."""
        counts = {"counters": len(entries)} if scope is None else {entry.kind.value: entry.used for entry in entries}
        if not record_change(self._places.audit_socket, "quota_reset", "quota", {"scope": scope or "all", **counts}):
            render.note("Nothing runs in this home, so no audit log takes a record of this change.")
        self._ask(lambda book: book.reset(scope))

    def _ask(self, question: Callable[[ledger.Ledger], Coroutine[None, None, Answer]]) -> Answer:
        async def ask() -> Answer:
            book = ledger.of(self._settings)
            try:
                return await question(book)
            finally:
                await book.close()

        return asyncio.run(ask())
