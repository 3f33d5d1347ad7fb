"""The text of every `--help`, kept in tests/golden/help."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deepseek_local.cli.main import COMMANDS, group

HELP = Path(__file__).parents[2] / "golden" / "help"


def tree(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    """Walk a command and all below it."""
    context = click.Context(command, parent, name, terminal_width=100, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from tree(command.get_command(context, below), context, below)


CONTEXTS = list(tree(group, None, "deepseek-local"))
every_command = pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.command_path)


def first_line(context: click.Context) -> str:
    return inspect.cleandoc(context.command.help).splitlines()[0]


def file_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-") + ".txt"


@every_command
def test_the_help_is_as_it_was_reviewed(golden, context):
    golden(f"help/{file_name(context)}", context.get_help() + "\n")


def test_no_help_is_left_over():
    assert {path.name for path in HELP.iterdir()} == {file_name(context) for context in CONTEXTS}


@every_command
def test_every_option_has_an_environment_twin_that_its_help_shows(context):
    for option in context.command.params:
        if isinstance(option, click.Option) and option.name not in ("help", "version"):
            assert str(option.envvar).startswith("DEEPSEEK_LOCAL_")
            assert option.show_envvar


@every_command
def test_every_command_says_what_it_does_in_one_sentence(context):
    assert first_line(context).endswith(".")


def test_the_frame_says_of_a_command_what_the_command_says_itself():
    said = {
        context.info_name: first_line(context) for context in CONTEXTS if context.parent and not context.parent.parent
    }
    assert said == COMMANDS
