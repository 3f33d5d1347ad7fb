"""What the commands of `deploy` share: one profile, the host below it, and its nginx."""

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

    @classmethod
    def of(
        cls,
        name: str,
        *,
        sets: tuple[str, ...],
        home: Path,
        refusals: Path | None,
        user: str,
        logs: Path,
    ) -> "Target":
        """Read the profile. Raises `ProfileError`."""
        profile = load.load(name, sets=sets, environment=os.environ)
        called = Path(name).stem if name.endswith(".yaml") else Path(name).name
        socket = refusals or Path("/run/deepseek-audit-nginx", called, "nginx.sock")
        surroundings = Surroundings(called, socket.absolute(), user, logs.absolute())
        return cls(profile, Places.of(home, os.environ), surroundings)


def target_options(command: Command) -> Command:
    """Add `--profile`, `--set`, `--home`, and what is special about this host; the parameters are those of `Target.of`, and `output`."""
    refusals = click.option(
        "--refusals",
        metavar="SOCKET",
        type=click.Path(path_type=Path),
        envvar="DEEPSEEK_LOCAL_NGINX_REFUSALS",
        show_default="/run/deepseek-audit-nginx/PROFILE/nginx.sock",
        show_envvar=True,
        help="Socket of `audit ship-nginx`, to which nginx tells what it refuses.",
    )
    user = click.option(
        "--nginx-user",
        "user",
        default="www-data",
        envvar="DEEPSEEK_LOCAL_NGINX_USER",
        show_default=True,
        show_envvar=True,
        help="User of nginx's workers; elsewhere than on Debian and Ubuntu it is nginx.",
    )
    logs = click.option(
        "--nginx-logs",
        "logs",
        type=click.Path(path_type=Path),
        default=Path("/var/log/nginx"),
        envvar="DEEPSEEK_LOCAL_NGINX_LOGS",
        show_default=True,
        show_envvar=True,
        help="Directory of nginx's logs.",
    )
    rest = format_option(verbose_option(refusals(user(logs(command)))))
    return profile_option(set_option(home_option(rest)))


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
