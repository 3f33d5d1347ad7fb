"""`deepseek-local audit capture`: read what the encrypted store of prompts and answers holds."""

import os
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change
from deepseek_local.capture.store import Store
from deepseek_local.cli import render
from deepseek_local.cli.options import home_option, verbose_option
from deepseek_local.errors import AuditError
from deepseek_local.identity import keys
from deepseek_local.profile.places import Places


@click.group("capture")
def command() -> None:
    """Read captured prompts and answers."""


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
