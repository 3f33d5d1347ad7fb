"""`deepseek-local deploy`: what a server needs around the engine, made from its profile."""

import click

from deepseek_local.cli import deploy_check, deploy_render


@click.group()
def command() -> None:
    """Render and check what stands around the engine on a server."""


command.add_command(deploy_render.command)
command.add_command(deploy_check.command)
