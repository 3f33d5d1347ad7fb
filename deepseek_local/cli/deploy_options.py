"""What the commands of `deploy` share: one profile, the host below it, and its nginx."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.profile import load
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile
from deepseek_local.proxy.surroundings import Surroundings

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Target:
    """A profile and where it is deployed."""

    profile: Profile
    places: Places
    surroundings: Surroundings


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--profile`, `--set`, `--home` and the options for nginx on this host, which reach the command as `target: Target`; and `output`."""

    @functools.wraps(command)
    def called(
        *,
        profile: str,
        sets: tuple[str, ...],
        home: Path,
        refusals: Path | None,
        user: str,
        logs: Path,
        pid: Path,
        temporary: Path,
        **rest: object,
    ) -> None:
        chosen = load.load(profile, sets=sets, environment=os.environ)
        name = Path(profile).stem if profile.endswith(".yaml") else Path(profile).name
        told = (refusals or Path("/run/deepseek-audit-nginx", name, "nginx.sock")).absolute()
        there = Surroundings(name, told, user, logs.absolute(), pid.absolute(), temporary.absolute())
        command(target=Target(chosen, Places.of(home, os.environ), there), **rest)

    options = (
        profile_option,
        set_option,
        home_option,
        _refusals_option,
        _user_option,
        *_PLACES,
        format_option,
        verbose_option,
    )
    for option in reversed(options):
        called = option(called)
    return called


def _place_option(name: str, default: str, help_text: str) -> Callable[[Command], Command]:
    return click.option(
        f"--nginx-{name}",
        name,
        type=click.Path(path_type=Path),
        default=Path(default),
        envvar=f"DEEPSEEK_LOCAL_NGINX_{name.upper()}",
        show_default=True,
        show_envvar=True,
        help=help_text,
    )


_PLACES = (
    _place_option("logs", "/var/log/nginx", "Directory of nginx's logs."),
    _place_option("pid", "/run/nginx.pid", "File with the id of nginx's main process; one for each nginx of a host."),
    _place_option(
        "temporary", "/var/lib/nginx", "Directory that nginx wants for temporary files, of which there are none."
    ),
)


def _refusals_option(command: Command) -> Command:
    return click.option(
        "--refusals",
        metavar="SOCKET",
        type=click.Path(path_type=Path),
        envvar="DEEPSEEK_LOCAL_NGINX_REFUSALS",
        show_default="/run/deepseek-audit-nginx/PROFILE/nginx.sock",
        show_envvar=True,
        help="Socket of `audit ship-nginx`, to which nginx tells what it refuses.",
    )(command)


def _user_option(command: Command) -> Command:
    return click.option(
        "--nginx-user",
        "user",
        default="www-data",
        envvar="DEEPSEEK_LOCAL_NGINX_USER",
        show_default=True,
        show_envvar=True,
        help="User of nginx's workers; elsewhere than on Debian and Ubuntu it is nginx.",
    )(command)


def down_option(command: Command) -> Command:
    """Add `--down`, as `down: tuple[Path, ...]`."""
    return click.option(
        "--down",
        metavar="SOCKET",
        multiple=True,
        type=click.Path(path_type=Path),
        envvar="DEEPSEEK_LOCAL_NGINX_DOWN",
        show_envvar=True,
        help="Replica that gets no new requests, as its socket; may be given several times.",
    )(command)


def installed_option(command: Command) -> Command:
    """Add `--nginx-config`, as `nginx_config: Path`."""
    return click.option(
        "--nginx-config",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("/etc/nginx/nginx.conf"),
        envvar="DEEPSEEK_LOCAL_NGINX_CONFIG",
        show_default=True,
        show_envvar=True,
        help="Main configuration that nginx reads.",
    )(command)
