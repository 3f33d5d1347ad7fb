"""`deepseek-local audit ship-nginx`: what nginx refuses by itself becomes audit records."""

import grp
import logging
from pathlib import Path

import click

from deepseek_local.cli.options import audit_socket_option, verbose_option
from deepseek_local.proxy_log import shipper

_SCHEME = "unix:"


def _path(_: click.Context, __: click.Parameter, value: str) -> Path:
    if not value.startswith(_SCHEME) or value == _SCHEME:
        raise click.BadParameter("write unix:PATH, as in nginx's error_log syslog:server=unix:PATH.")
    return Path(value.removeprefix(_SCHEME))


def _group(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return grp.getgrnam(value).gr_gid
    except KeyError as error:
        raise click.BadParameter(f"there is no group {value!r} on this host; name that of nginx's workers.") from error


@click.command("ship-nginx")
@click.option(
    "--listen",
    "path",
    metavar="unix:PATH",
    callback=_path,
    required=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_NGINX_LISTEN",
    show_envvar=True,
    help="Socket that nginx sends its error log to: error_log syslog:server=unix:PATH,nohostname info;",
)
@click.option(
    "--group",
    metavar="NAME",
    callback=_group,
    envvar="DEEPSEEK_LOCAL_AUDIT_NGINX_GROUP",
    show_envvar=True,
    help="Group that may write to it, such as that of nginx's workers; without it, the group of this process.",
)
@audit_socket_option
@verbose_option
def command(*, path: Path, group: int | None, socket: Path) -> None:
    """Record what nginx refuses by itself, TLS handshakes above all, until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    shipper.run(path, group, socket)
