"""
The command line's frame: commands are imported when they are named, and every `Error` becomes a sentence and an exit code.

`--help` of the frame imports no command, so it answers at once; the sentences of `COMMANDS` are what it prints.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from deepseek_local import __version__
from deepseek_local.cli import render
from deepseek_local.cli.options import Talk
from deepseek_local.errors import Error, ExitCode

COMMANDS = {
    "serve": "Start the engine behind the front door and keep it running until Ctrl-C or SIGTERM.",
    "chat": "Ask the running model and stream its answer.",
    "token": "Create, rotate, list and revoke bearer tokens.",
    "quota": "Show what is used of the quotas, and set it to zero.",
    "policy": "Check, explain, test and compare policies, and give emergency grants.",
    "profile": "List, show and check hardware profiles.",
    "host": "Check whether this host is fit to serve, and prepare it.",
    "storage": "Make, open, close and rekey the encrypted volume of a deployment.",
    "audit": "Run the audit sequencer and look at its log.",
    "certs": "Make, renew, revoke and look at certificates of the site.",
    "deploy": "Render and check what stands around the engine on a server.",
}
"""Every command with the first sentence of its help; `NAME` is the attribute `command` of `deepseek_local.cli.NAME`."""

INTERRUPTED = 130
"""128 + SIGINT, what shells expect of a program that Ctrl-C ended."""


class LazyGroup(click.Group):
    """A group that knows the names of its commands and imports one only when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import the command. Raises `click.UsageError` if there is none of that name."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"There is no command {cmd_name!r}; the commands are {', '.join(COMMANDS)}.")
        module = importlib.import_module(f"deepseek_local.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write the list of commands from `COMMANDS`, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="deepseek-local-kit", prog_name="deepseek-local")
def group() -> None:
    """Run DeepSeek models on your own servers, behind a fail-closed, audited front door."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    talk = Talk()
    try:
        status = group.main(list(arguments), prog_name="deepseek-local", standalone_mode=False, obj=talk)
    except Error as error:
        render.failure(error, talk.output, verbose=talk.verbose)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return status if isinstance(status, int) else ExitCode.OK


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    render.accept_any_text()
    sys.exit(run(sys.argv[1:]))
