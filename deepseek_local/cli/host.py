"""`deepseek-local host`: whether a host is fit to serve, and how it becomes so."""

import click

from deepseek_local.cli import host_check, host_prepare


@click.group()
def command() -> None:
    """Check whether this host is fit to serve, and prepare it."""


command.add_command(host_check.command)
command.add_command(host_prepare.command)
