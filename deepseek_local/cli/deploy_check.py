"""`deepseek-local deploy check`: whether nginx accepts what the profile says, and whether that is what is installed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from deepseek_local.cli import render
from deepseek_local.cli.deploy_options import Target, down_option, installed_option, with_target
from deepseek_local.cli.render import Format
from deepseek_local.errors import Error, ExitCode
from deepseek_local.identity import keys
from deepseek_local.proxy import configuration, trial
from deepseek_local.proxy.doubts import doubts
from deepseek_local.proxy.installed import Installed
from deepseek_local.proxy.running import Program


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what is wrong with it."""

    what: str
    is_right: bool
    said: tuple[str, ...] = ()


@click.command("check")
@with_target
@down_option
@installed_option
@click.pass_context
def command(
    context: click.Context,
    *,
    target: Target,
    output: Format,
    down: tuple[Path, ...],
    nginx_config: Path,
) -> None:
    """Try the rendered configuration, and compare it with the installed one; exit with 1 if anything is wrong."""
    findings = [_meant(target), *_tried(target, down), *_compared(target, down, Installed(nginx_config.absolute()))]
    render.result(output, findings, _lines(findings))
    if not all(finding.is_right for finding in findings):
        context.exit(ExitCode.FAILED)


def _meant(target: Target) -> Finding:
    said = tuple(doubts(target.profile))
    return Finding("the profile lets clients through", not said, said)


def _tried(target: Target, down: tuple[Path, ...]) -> Iterator[Finding]:
    try:
        mistakes = trial.run(target.profile, target.places, target.surroundings, Program(), down)
    except Error as error:
        yield Finding("nginx accepts it", is_right=False, said=(str(error),))
        return
    yield Finding("nginx accepts it", is_right=True)
    if mistakes is None:
        yield Finding("gixy finds nothing", is_right=True, said=("gixy is not installed, so it was not asked",))
        return
    said = tuple(f"{each.severity.lower()}: {each.summary} ({each.plugin})" for each in mistakes)
    yield Finding("gixy finds nothing", not mistakes, said)


def _compared(target: Target, down: tuple[Path, ...], installed: Installed) -> Iterator[Finding]:
    try:
        text = configuration.render(target.profile, target.places, target.surroundings, Program().version(), down)
        differences = tuple(installed.differences(text))
        yield Finding("it is what is installed", not differences, differences)
        place = target.places.proxy_key
        flaws = tuple(installed.flaws(keys.read(place) if place.exists() else None))
        yield Finding("key and modes are right", not flaws, flaws)
    except (Error, OSError) as error:
        yield Finding("it is what is installed", is_right=False, said=(str(error),))


def _lines(findings: list[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"{'ok  ' if finding.is_right else 'FAIL'} {finding.what}"
        yield from (f"     {line}" for line in finding.said)
