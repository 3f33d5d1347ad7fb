"""`deepseek-local serve`: start a profile and keep it running, or show what would be started."""

import logging
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from deepseek_local import serve
from deepseek_local.cli import render, ways
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import OutputError
from deepseek_local.finding import Severity
from deepseek_local.serve import Prepared
from deepseek_local.supervisor.state import State

_log = logging.getLogger(__name__)


@click.command()
@profile_option
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    envvar="DEEPSEEK_LOCAL_MODEL",
    show_envvar=True,
    help="Directory of the checkpoint, instead of the profile's model.path.",
)
@set_option
@home_option
@click.option(
    "--dry-run",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_DRY_RUN",
    show_envvar=True,
    help="Print the engine's command line and environment, and start nothing.",
)
@format_option
@verbose_option
def command(
    *, profile: str, model: Path | None, sets: tuple[str, ...], home: Path, dry_run: bool, output: Format
) -> None:
    """Start the engine behind the front door and keep it running until Ctrl-C or SIGTERM."""
    prepared = serve.prepare(profile, home, model=model, sets=sets, host_environment=os.environ)
    for note in prepared.plan.notes:
        render.note(f"note: {note}")
    for finding in prepared.findings:
        # What stops the start is told by the error that it ends with.
        if dry_run or finding.severity is Severity.WARNING:
            render.note(str(finding))
    if dry_run:
        render.result(output, _data(prepared), _command_line(prepared))
        return
    _log_to_stderr(prepared.plan.profile.observability.log_level)
    serve.run(prepared, os.environ, lambda state: _announce(state, output, ways.of(state, home, profile)))


def _announce(state: State, output: Format, lines: Iterator[str]) -> None:
    """Show how to use what is running; that nobody reads it is no reason to stop."""
    try:
        render.result(output, asdict(state), lines)
    except (OutputError, BrokenPipeError) as error:
        _log.warning("it runs, but how to use it cannot be shown: %s", error)


def _data(prepared: Prepared) -> dict[str, object]:
    return {
        "environment": prepared.shown_environment,
        "argv": list(prepared.engine.argv),
        "notes": list(prepared.plan.notes),
        "findings": [asdict(finding) for finding in prepared.findings],
    }


def _command_line(prepared: Prepared) -> Iterator[str]:
    """Write a command that a shell would take: the environment first, then one argument a line."""
    interpreter, option, module, verb, model, *flags = map(shlex.quote, prepared.engine.argv)
    variables = (f"{name}={shlex.quote(value)}" for name, value in prepared.shown_environment.items())
    lines = ["env -i", *(f"  {text}" for text in variables), f"  {interpreter} {option} {module} {verb} {model}"]
    lines += [f"    {flag}" for flag in flags]
    yield from (f"{line} \\" for line in lines[:-1])
    yield lines[-1]


def _log_to_stderr(level: str) -> None:
    """Show the supervisor's log; the journal has its own clock."""
    form = "%(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s  %(message)s"
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=form, datefmt="%H:%M:%S")
    for chatty in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
