"""`deepseek-local audit tail` and `audit search`: records, for people who watch and people who ask."""

import time
from collections.abc import Iterable
from pathlib import Path

import click

from deepseek_local.audit.record import parse
from deepseek_local.cli import render
from deepseek_local.cli.audit_query import query_options
from deepseek_local.cli.options import Talk, audit_directory_option, format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.evidence import log, rendering
from deepseek_local.evidence.query import Query
from deepseek_local.evidence.search import find
from deepseek_local.evidence.tail import Tail

FOLLOW_SECONDS = 0.2
"""How often `tail --follow` looks for new records."""


@click.command()
@audit_directory_option
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0, 1_000_000_000),
    default=10,
    envvar="DEEPSEEK_LOCAL_AUDIT_LINES",
    show_default=True,
    show_envvar=True,
    help="How many of the newest records to show.",
)
@click.option(
    "--follow",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_FOLLOW",
    show_envvar=True,
    help="Go on with what is written from now on, until Ctrl-C.",
)
@format_option
@verbose_option
def tail(directory: Path, count: int, follow: bool, output: Format) -> None:  # noqa: FBT001 -- click's signature
    """Show the newest records, one a line; as JSON exactly as they were written."""
    place = Tail(directory)
    _show(place.last(count), output)
    while follow:
        _show(place.new(), output)
        time.sleep(FOLLOW_SECONDS)


def _show(lines: Iterable[bytes], output: Format) -> None:
    for line in lines:
        render.stream(_json(line) if output is Format.JSON else f"{rendering.text(parse(line))}\n")


def _json(line: bytes) -> str:
    return rendering.line(line, is_terminal=render.is_terminal())


def _keep_layout(context: click.Context, _: click.Parameter, value: str) -> str:
    """A failure is reported as text unless the records are JSON."""
    context.ensure_object(Talk).output = Format.JSON if value == "json" else Format.TEXT
    return value


@click.command()
@audit_directory_option
@query_options
@click.option(
    "--format",
    "layout",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    callback=_keep_layout,
    envvar="DEEPSEEK_LOCAL_FORMAT",
    show_default=True,
    show_envvar=True,
    help="How records are written: for people, exactly as they are, or as a table.",
)
@verbose_option
def search(directory: Path, query: Query, layout: str) -> None:
    """Show every record that fulfils all conditions, oldest first; a TEXT that ends in * is the beginning of one."""
    if layout == "csv":
        render.stream(rendering.heading())
    for line, record in find(log.blocks(directory), query):
        match layout:
            case "json":
                render.stream(_json(line))
            case "csv":
                render.stream(rendering.row(record))
            case _:
                render.stream(f"{rendering.text(record)}\n")
