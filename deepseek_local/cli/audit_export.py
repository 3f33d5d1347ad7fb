"""`deepseek-local audit export`: hand records over to other systems."""

import logging
import os
import re
from pathlib import Path

import click

from deepseek_local.cli import render
from deepseek_local.cli.options import audit_directory_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.evidence import collector, syslog
from deepseek_local.evidence.collector import Collector
from deepseek_local.evidence.export import State, cef_line, export, json_line, over_syslog
from deepseek_local.evidence.line_file import LineFile
from deepseek_local.evidence.tiles_export import export_tiles

_ENCODERS = {"json": json_line, "cef": cef_line}
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL_LIMIT = 63
_PORTS = range(1, 65_536)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("export")
@audit_directory_option
@click.option(
    "--file",
    type=_FILE,
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_FILE",
    show_envvar=True,
    help="Append one line per record to this file.",
)
@click.option(
    "--syslog",
    "address",
    metavar="HOST[:PORT]",
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_SYSLOG",
    show_envvar=True,
    help="Send records to this collector over TLS; the port is 6514 where none is given.",
)
@click.option(
    "--tiles",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_TILES",
    show_envvar=True,
    help="Write the whole log as a C2SP tlog-tiles tree into this new directory.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(list(_ENCODERS)),
    default="json",
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_FORMAT",
    show_default=True,
    show_envvar=True,
    help="Records exactly as they are, or in the Common Event Format.",
)
@click.option(
    "--state",
    type=_FILE,
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_STATE",
    show_envvar=True,
    help="File that keeps how far the export has come; without it, it begins with the first record.",
)
@click.option(
    "--follow",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_FOLLOW",
    show_envvar=True,
    help="Go on with what is written from now on, until Ctrl-C.",
)
@click.option(
    "--ca",
    type=_FILE,
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_CA",
    show_envvar=True,
    help="Certificates of the authorities that the collector's must be from; without it, those of the system.",
)
@click.option(
    "--certificate",
    type=_FILE,
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_CERTIFICATE",
    show_envvar=True,
    help="Our certificate for the collector.",
)
@click.option(
    "--key",
    type=_FILE,
    envvar="DEEPSEEK_LOCAL_AUDIT_EXPORT_KEY",
    show_envvar=True,
    help="The key of our certificate.",
)
@verbose_option
def command(
    *,
    directory: Path,
    file: Path | None,
    address: str | None,
    tiles: Path | None,
    layout: str,
    state: Path | None,
    follow: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Deliver records to a file or a collector, each at least once and in order; or write the log as tiles."""
    if sum(place is not None for place in (file, address, tiles)) != 1:
        raise click.UsageError("name one of --file, --syslog and --tiles")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    if key is not None and certificate is None:
        raise click.UsageError("--key belongs to --certificate; give both or neither")
    encode = _ENCODERS[layout]
    if tiles is not None:
        checkpoint = export_tiles(directory, tiles)
        told = f"Wrote {checkpoint.size} records of {checkpoint.origin} to {tiles}."
    elif file is not None:
        _insist_on_file(file)
        told = f"Exported {export(directory, encode, LineFile(file), State(state), follow=follow)} records."
    else:
        sink = Collector(*_address(address or ""), collector.trust(ca, certificate, key))
        told = f"Exported {export(directory, over_syslog(encode), sink, State(state), follow=follow)} records."
    render.result(Format.TEXT, None, [told])


def _insist_on_file(file: Path) -> None:
    """Refuse what will never be a file; what fails later, such as a full disk, is waited for. Raises `click.UsageError`."""
    try:
        is_possible = file.is_file() or (file.parent.is_dir() and not os.path.lexists(file))
    except (OSError, ValueError):
        is_possible = False
    if not is_possible:
        raise click.UsageError(
            f"--file {str(file)!r:.300} is no file and cannot become one; name a file in a directory that exists"
        )


def _address(text: str) -> tuple[str, int]:
    """Split host and port. Raises `click.UsageError`."""
    match = _ADDRESS.fullmatch(text)
    port = int(match["port"] or syslog.PORT) if match else 0
    if not match or port not in _PORTS or not _is_name(match["host"]):
        raise click.UsageError(
            f"--syslog {text!r:.300} is no address; write HOST or HOST:PORT, and brackets around IPv6"
        )
    return match["host"].strip("[]"), port


def _is_name(host: str) -> bool:
    """Whether a host can be called so: a resolver takes labels of 1 to 63 characters (RFC 1035, 2.3.4)."""
    return host.startswith("[") or all(1 <= len(label) <= _LABEL_LIMIT for label in host.removesuffix(".").split("."))
