"""The options that say what an auditor trusts: `@key_option` and `@mac_key_option`, and what they give as one `Trust`."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])


def key_option(command: Command) -> Command:
    """Add `--key`, as the parameter `keys: tuple[str, ...]`."""
    return click.option(
        "--key",
        "keys",
        multiple=True,
        required=True,
        metavar="KEY|FILE",
        envvar="DEEPSEEK_LOCAL_AUDIT_KEY",
        show_envvar=True,
        help="Verifier key of the log that `audit init` printed, or a file with it; again for each key it had before.",
    )(command)


def mac_key_option(command: Command) -> Command:
    """Add `--mac-key`, as the parameter `mac_key: Path | None`."""
    return click.option(
        "--mac-key",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="DEEPSEEK_LOCAL_AUDIT_MAC_KEY",
        show_envvar=True,
        help="File with the first key of the evolving MAC, which the auditor keeps; checks that no checkpoint was made later.",
    )(command)
