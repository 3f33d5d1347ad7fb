"""`deepseek-local audit`: run the sequencer, and look at what it wrote."""

import logging
import socket as sockets
import time
from collections.abc import Iterable
from pathlib import Path

import click

from deepseek_local import parent
from deepseek_local.audit import sequencer
from deepseek_local.audit.record import parse
from deepseek_local.audit.tail import Tail, describe
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format

FOLLOW_SECONDS = 0.2
"""How often `tail --follow` looks for new records."""

_directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/audit"),
    envvar="DEEPSEEK_LOCAL_AUDIT_DIRECTORY",
    show_default=True,
    show_envvar=True,
    help="Directory of the segments.",
)


@click.group()
def command() -> None:
    """Run the audit sequencer and look at its log."""


@command.command()
@_directory_option
@click.option(
    "--socket",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_SOCKET",
    show_envvar=True,
    help="Unix socket that clients write to.",
)
@click.option(
    "--node",
    default=sockets.gethostname,
    envvar="DEEPSEEK_LOCAL_AUDIT_NODE",
    show_default="host name",
    show_envvar=True,
    help="Name of this host in the records.",
)
@click.option(
    "--allow-uid",
    "allowed_uids",
    type=click.IntRange(min=0),
    multiple=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_ALLOW_UID",
    show_envvar=True,
    help="User id that may write besides root and our own; may be given several times.",
)
@click.option(
    "--parent",
    "process",
    type=click.IntRange(min=1),
    envvar=parent.VARIABLE,
    show_envvar=True,
    help="End in order with this process, which must be the one that starts the sequencer.",
)
@verbose_option
def serve(directory: Path, socket: Path, node: str, allowed_uids: tuple[int, ...], process: int | None) -> None:
    """Keep the log until SIGTERM: one writer for all processes of this host."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if process is not None:
        parent.end_with(process)
    sequencer.run(directory, socket, node, allowed_uids)


@command.command()
@_directory_option
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(min=0),
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
        render.stream(line.decode() if output is Format.JSON else f"{describe(parse(line))}\n")
