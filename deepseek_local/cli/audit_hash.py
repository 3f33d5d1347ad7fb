"""`deepseek-local audit hash` and `audit keys`: match a text against the log, and the keys that make it possible."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from deepseek_local import digest_keys
from deepseek_local.audit.admin import record_change
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, home_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.profile.places import Places


@click.command("hash")
@click.argument("file", type=click.File("rb"))
@home_option
@format_option
@verbose_option
def hash_text(*, file: BinaryIO, home: Path, output: Format) -> None:
    """Print the digests that FILE has in the records, one per key; - reads stdin. The bytes must be those of the request or answer."""
    content = file.read()
    found = [key.digest(content) for key in digest_keys.read_all(_places(home).digest_keys)]
    render.result(output, [{"hmac": digest, "bytes": len(content)} for digest in found], found)


@click.group()
def keys() -> None:
    """Rotate, list and destroy the keys under which prompts and answers are digested."""


@keys.command()
@home_option
@format_option
@verbose_option
def rotate(*, home: Path, output: Format) -> None:
    """Make a new key; every running API server process uses it within a second."""
    places = _places(home)
    before = digest_keys.newest(places.digest_keys).name
    _record(places, "digest_key_rotate", {"key": digest_keys.following(places.digest_keys), "before": before})
    key = digest_keys.rotate(places.digest_keys)
    told = f"Texts are digested under {key.name} from now on; {before} still finds those before."
    render.result(output, {"key": key.name, "before": before}, [told])


@keys.command("list")
@home_option
@format_option
@verbose_option
def list_keys(*, home: Path, output: Format) -> None:
    """List the keys that exist, and which one is in use."""
    found = [
        {"key": key.name, "since": _moment(key.since), "state": "in use" if key.in_use else "kept"}
        for key in digest_keys.listed(_places(home).digest_keys)
    ]
    render.result(output, found, render.table(["KEY", "SINCE", "STATE"], [list(each.values()) for each in found]))


@keys.command()
@click.argument("name", metavar="KEY")
@click.option(
    "--yes",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_KEYS_YES",
    show_envvar=True,
    help="Confirm that this cannot be undone.",
)
@home_option
@format_option
@verbose_option
def destroy(*, name: str, yes: bool, home: Path, output: Format) -> None:
    """Destroy KEY, such as k1: no text can be matched with the records made under it, ever again."""
    places = _places(home)
    digest_keys.insist_on_destroyable(places.digest_keys, name)
    if not yes:
        raise click.UsageError(
            f"no text can be matched with the records of {name} afterwards; write --yes to destroy it"
        )
    _record(places, "digest_key_destroy", {"key": name})
    digest_keys.destroy(places.digest_keys, name)
    render.note("Copies of the key, in backups and snapshots, are not reached by this; destroy them too.")
    render.result(output, {"key": name}, [f"The key {name} is destroyed."])


def _places(home: Path) -> Places:
    return Places.of(home, os.environ)


def _record(places: Places, action: str, attributes: dict[str, object]) -> None:
    if not record_change(places.audit_socket, action, "digest_key", attributes):
        render.note("Nothing runs in this home, so no audit log takes a record of this change.")


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
