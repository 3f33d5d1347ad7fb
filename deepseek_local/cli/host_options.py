"""What the commands of `host` share: this host, or a tree that is not running."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from deepseek_local.host.probing import Senses

Command = TypeVar("Command", bound=Callable[..., object])


def root_option(command: Command) -> Command:
    """Add `--root`, as `root: Path`."""
    return click.option(
        "--root",
        type=click.Path(file_okay=False, exists=True, path_type=Path),
        default=Path("/"),
        envvar="DEEPSEEK_LOCAL_HOST_ROOT",
        show_default=True,
        show_envvar=True,
        help="Root of an image instead of this host; no command is run in it.",
    )(command)


def is_this_host(root: Path) -> bool:
    """Whether the root is that of the running host."""
    return root.resolve() == Path("/")


def senses(root: Path) -> Senses:
    """Look at this host, or at an image."""
    return Senses() if is_this_host(root) else Senses.of_tree(root)
