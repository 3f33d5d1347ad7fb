"""
The options that several commands share, as decorators, each with its environment twin.

`@profile_option` gives the command a parameter `profile: str`, `@home_option` `home: Path`, `@audit_directory_option`
`directory: Path`, `@audit_keys_option` `keys: Path | None`, `@audit_node_option` `node: str`, `@audit_socket_option` `socket: Path`,
`@set_option` `sets: tuple[str, ...]` and `@format_option` `output: Format`. `@verbose_option` gives none: `cli.main` reads it.
"""

import socket as sockets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from deepseek_local.cli.render import Format

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(slots=True)
class Talk:
    """How `cli.main` reports a failure; it is click's context object, filled in while the options are read."""

    output: Format = Format.TEXT
    verbose: bool = False


def _keep_format(context: click.Context, _: click.Parameter, value: str) -> Format:
    """Turn the word into a `Format` and remember it for the report of a failure."""
    output = Format(value)
    context.ensure_object(Talk).output = output
    return output


def _keep_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 -- click's signature
    """Remember whether tracebacks are wanted."""
    context.ensure_object(Talk).verbose = value


def home_option(command: Command) -> Command:
    """Add `--home`."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("var"),
        envvar="DEEPSEEK_LOCAL_HOME",
        show_default=True,
        show_envvar=True,
        help="Directory of models, tokens, audit log and caches.",
    )(command)


def audit_directory_option(command: Command) -> Command:
    """Add `--directory`."""
    return click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("var/audit"),
        envvar="DEEPSEEK_LOCAL_AUDIT_DIRECTORY",
        show_default=True,
        show_envvar=True,
        help="Directory of the segments.",
    )(command)


def audit_keys_option(command: Command) -> Command:
    """Add `--keys`; without it they lie in the directory above that of the segments."""
    return click.option(
        "--keys",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="DEEPSEEK_LOCAL_AUDIT_KEYS",
        show_default="the directory above --directory",
        show_envvar=True,
        help="Directory of the keys that seal the log.",
    )(command)


def audit_node_option(command: Command) -> Command:
    """Add `--node`, the name of this host."""
    return click.option(
        "--node",
        default=sockets.gethostname,
        envvar="DEEPSEEK_LOCAL_AUDIT_NODE",
        show_default="host name",
        show_envvar=True,
        help="Name of this host in records and in the origin of the log.",
    )(command)


def audit_socket_option(command: Command) -> Command:
    """Add `--socket`, which is required."""
    return click.option(
        "--socket",
        type=click.Path(dir_okay=False, path_type=Path),
        required=True,
        envvar="DEEPSEEK_LOCAL_AUDIT_SOCKET",
        show_envvar=True,
        help="Unix socket of the sequencer.",
    )(command)


def profile_option(command: Command) -> Command:
    """Add `--profile`, which is required."""
    return _profile_option(command, required=True)


def optional_profile_option(command: Command) -> Command:
    """Add `--profile` to a command that can do without; then the parameter is `profile: str | None`."""
    return _profile_option(command, required=False)


def _profile_option(command: Command, *, required: bool) -> Command:
    return click.option(
        "--profile",
        required=required,
        metavar="NAME|FILE",
        envvar="DEEPSEEK_LOCAL_PROFILE",
        show_envvar=True,
        help="Shipped profile, or a file with a slash or .yaml in its name.",
    )(command)


def set_option(command: Command) -> Command:
    """Add `--set`, which may be given several times."""
    return click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        envvar="DEEPSEEK_LOCAL_SET",
        show_envvar=True,
        help="Override one setting of the profile, such as engine.max_num_seqs=64; may be given several times.",
    )(command)


def format_option(command: Command) -> Command:
    """Add `--format`."""
    return click.option(
        "--format",
        "output",
        type=click.Choice([str(word) for word in Format]),
        default=str(Format.TEXT),
        callback=_keep_format,
        envvar="DEEPSEEK_LOCAL_FORMAT",
        show_default=True,
        show_envvar=True,
        help="How results and failures are written.",
    )(command)


def verbose_option(command: Command) -> Command:
    """Add `--verbose`."""
    return click.option(
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_keep_verbose,
        envvar="DEEPSEEK_LOCAL_VERBOSE",
        show_envvar=True,
        help="Show the traceback of a failure.",
    )(command)
