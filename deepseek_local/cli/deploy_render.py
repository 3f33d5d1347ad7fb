"""`deepseek-local deploy render`: nginx's configuration for a profile, to look at or to install."""

import re
from pathlib import Path

import click

from deepseek_local.cli import render
from deepseek_local.cli.deploy_options import Target, down_option, with_target
from deepseek_local.cli.render import Format
from deepseek_local.identity import keys
from deepseek_local.proxy import configuration, trial
from deepseek_local.proxy.installed import Installed
from deepseek_local.proxy.running import Program, Version


def _version(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Version | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no version of nginx; write 1.22.1")
    return int(found[1]), int(found[2]), int(found[3])


@click.command("render")
@with_target
@down_option
@click.option(
    "--nginx-version",
    "version",
    metavar="X.Y.Z",
    callback=_version,
    envvar="DEEPSEEK_LOCAL_NGINX_VERSION",
    show_default="that of this host's nginx",
    show_envvar=True,
    help="Version to render for; not with --to.",
)
@click.option(
    "--to",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_NGINX_TO",
    show_envvar=True,
    help="Install it as this file, and the proxy's key beside it; without it, it is only shown.",
)
@click.option(
    "--reload",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_NGINX_RELOAD",
    show_envvar=True,
    help="Let the running nginx read what was installed; only with --to.",
)
def command(
    *,
    target: Target,
    output: Format,
    down: tuple[Path, ...],
    version: Version | None,
    to: Path | None,
    reload: bool,
) -> None:
    """Render nginx's configuration, and install it once nginx has accepted it."""
    if to is None and reload:
        raise click.UsageError("--reload needs --to: name the file that nginx reads.")
    if to is not None and version is not None:
        raise click.UsageError("--nginx-version is for looking; what is installed is for the nginx of this host.")
    text = configuration.render(
        target.profile, target.places, target.surroundings, version or Program().version(), down
    )
    if to is None:
        render.result(output, {"configuration": text}, text.splitlines())
        return
    trial.run(target.profile, target.places, target.surroundings, Program(), down)
    Installed(to.absolute()).write(text, keys.ensure(target.places.proxy_key))
    if reload:
        Program().check(to)
        Program().reload(to)
    render.result(
        output,
        {"installed": to, "is_reloaded": reload},
        [f"{to} is installed{' and nginx is told to reload' if reload else '; nginx reads it when it is reloaded'}."],
    )
