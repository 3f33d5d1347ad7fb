"""`deepseek-local host check`: everything that makes a host unfit to serve, each with its remedy."""

from pathlib import Path

import click

from deepseek_local.cli import render
from deepseek_local.cli.host_options import root_option, senses
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import ExitCode
from deepseek_local.finding import Severity
from deepseek_local.host import examination, probing


@click.command("check")
@root_option
@format_option
@verbose_option
@click.pass_context
def command(context: click.Context, *, root: Path, output: Format) -> None:
    """Look at this host, and exit with 4 if it is not ready to serve."""
    facts = probing.probe(senses(root))
    findings = examination.examine(facts)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = len(findings) - errors
    verdict = f"{'not ready' if errors else 'ready'}: {_count(errors, 'error')}, {_count(warnings, 'warning')}"
    render.result(
        output,
        {"ready": not errors, "findings": findings, "facts": facts},
        [*map(str, findings), verdict],
    )
    if errors:
        context.exit(ExitCode.PREFLIGHT_REFUSED)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
