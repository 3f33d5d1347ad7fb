"""`deepseek-local policy`: look at a policy before it counts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from deepseek_local.cli import break_glass, explain, render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.policy_files import Place, choose, path, place_options, policy_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import ExitCode, PolicyError, Problem
from deepseek_local.policy import difference, expectations, lint


@click.group()
def command() -> None:
    """Check, explain, test and compare policies, and give emergency grants."""


command.add_command(explain.command, "explain")
command.add_command(break_glass.command, "break-glass")


@command.command()
@click.argument("names", metavar="[FILE]...", nargs=-1)
@place_options
@format_option
@verbose_option
@click.pass_context
def check(context: click.Context, *, names: tuple[str, ...], place: Place, output: Format) -> None:
    """Check the FILEs, or the profile's, as one policy, with its tests; exit with 4 if something is wrong."""
    chosen = choose(names, place)
    findings: tuple[lint.Finding, ...] = ()
    try:
        policy = chosen.load()
        findings = lint.findings(policy.grants, policy.memberships, policy.bundles)
        problems = expectations.failures(chosen.files, chosen.build)
    except PolicyError as error:
        problems = error.problems
    ok = not problems and all(finding.severity == "warning" for finding in findings)
    lines = [*map(str, problems), *map(str, findings)]
    lines += [f"{', '.join(map(str, chosen.files))}: ok"] if ok else []
    render.result(output, {"ok": ok, "files": chosen.files, "problems": problems, "findings": findings}, lines)
    if not ok:
        context.exit(ExitCode.PREFLIGHT_REFUSED)


@command.command()
@click.argument("tables", metavar="[TABLE]...", nargs=-1, type=click.Path(path_type=Path))
@policy_option
@place_options
@format_option
@verbose_option
@click.pass_context
def test(
    context: click.Context, *, tables: tuple[Path, ...], names: tuple[str, ...], place: Place, output: Format
) -> None:
    """Hold the policy to the TABLEs, or to those beside its files; exit with 5 if it breaks an expectation."""
    chosen = choose(names, place)
    chosen.load()
    files = chosen.files
    runs = [(table, files) for table in tables] or [
        (table, files[:count]) for count, file in enumerate(files, start=1) for table in expectations.tables([file])
    ]
    reports = [(table, expectations.failures_of(table, part, chosen.build)) for table, part in runs]
    data = [{"table": table, "ok": not failures, "failures": failures} for table, failures in reports]
    render.result(output, data, _tested(reports))
    if any(failures for _, failures in reports):
        context.exit(ExitCode.VERIFICATION_FAILED)


@command.command()
@click.argument("old")
@click.argument("new")
@place_options
@format_option
@verbose_option
@click.pass_context
def diff(context: click.Context, *, old: str, new: str, place: Place, output: Format) -> None:
    """
    Say who gains or loses what by NEW instead of OLD; exit with 1 if anybody does.

    Each is one file, or several with commas. If OLD is one file of the profile's policy, the others are read with both.
    """
    before, after = ([path(name) for name in names.split(",")] for names in (old, new))
    chosen = choose([] if place.profile else old.split(","), place)
    changes = difference.between(*(chosen.load(_in_place(chosen.files, before, part)) for part in (before, after)))
    render.result(output, changes, map(str, changes))
    if changes:
        context.exit(ExitCode.FAILED)


def _in_place(files: Sequence[Path], old: Sequence[Path], part: Sequence[Path]) -> Sequence[Path]:
    """Put a part in the place of one old file of the policy; other files stand for themselves."""
    places = [file.resolve() for file in files]
    if len(old) != 1 or old[0].resolve() not in places:
        return part
    place = places.index(old[0].resolve())
    return [*files[:place], *part, *files[place + 1 :]]


def _tested(reports: Sequence[tuple[Path, tuple[Problem, ...]]]) -> Iterator[str]:
    """Write one line for a table that holds, and one for every expectation that does not."""
    if not reports:
        yield "No file of the policy has a table of expectations beside it."
    for table, failures in reports:
        yield from map(str, failures) if failures else (f"{table}: ok",)
