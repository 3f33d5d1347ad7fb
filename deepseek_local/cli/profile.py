"""`deepseek-local profile`: what profiles there are, what they come to, and what is wrong with them."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from deepseek_local import plan as plans
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.engine import args, compat, installed
from deepseek_local.errors import ExitCode, PlanError, Problem, ProfileError
from deepseek_local.models import card
from deepseek_local.models.card import ModelCard
from deepseek_local.profile import editor, library, listing
from deepseek_local.profile.layer import Layer
from deepseek_local.profile.load import load, resolve
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile, Vendor

ENVIRONMENT_HELP = (
    "Every setting has an environment twin, such as DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS for engine.max_num_seqs."
)

_NOWHERE = Places(Path("/"), Path("/"))
"""A profile is checked without a deployment."""
_SETTING = re.compile(rf"\b(?:{'|'.join(Profile.model_fields)})\.[a-z_]+")
"""A setting as a reason names it."""


@click.group()
def command() -> None:
    """List, show and check hardware profiles."""


@command.command("list")
@format_option
@verbose_option
def list_profiles(output: Format) -> None:
    """List the shipped profiles."""
    profiles = [(name, load(name)) for name in library.names()]
    data = [
        {"name": name, "hardware": profile.hardware.gpu, "description": profile.description}
        for name, profile in profiles
    ]
    rows = [(name, _hardware(profile), profile.description) for name, profile in profiles]
    render.result(output, data, render.table(("NAME", "HARDWARE", "DESCRIPTION"), rows))


@command.command(epilog=ENVIRONMENT_HELP)
@click.argument("name", metavar="NAME|FILE", envvar="DEEPSEEK_LOCAL_PROFILE")
@set_option
@format_option
@verbose_option
def show(name: str, sets: tuple[str, ...], output: Format) -> None:
    """Show a profile with everything resolved, and where each value comes from."""
    resolved = resolve(name, sets=sets, environment=os.environ)
    data = {"profile": listing.values(resolved), "origins": listing.origins(resolved)}
    render.result(output, data, listing.lines(resolved))


@command.command(epilog=ENVIRONMENT_HELP)
@click.argument("names", metavar="NAME|FILE...", nargs=-1, required=True)
@set_option
@format_option
@verbose_option
@click.pass_context
def check(context: click.Context, names: tuple[str, ...], sets: tuple[str, ...], output: Format) -> None:
    """Check profiles and report all of their mistakes at once; exit with 3 if there are any."""
    reports = [(name, _problems(name, sets)) for name in names]
    data = [{"name": name, "ok": not problems, "problems": problems} for name, problems in reports]
    render.result(output, data, _findings(reports))
    if any(problems for _, problems in reports):
        context.exit(ExitCode.PROFILE_INVALID)


@command.command()
@verbose_option
def schema() -> None:
    """Print the JSON Schema for editors."""
    render.result(Format.JSON, editor.json_schema(), ())


def _hardware(profile: Profile) -> str:
    """Name the hardware in a few words."""
    if profile.hardware.vendor is Vendor.CPU:
        return "CPU"
    return f"{profile.hardware.count} × {profile.hardware.gpu}"


def _problems(name: str, sets: Sequence[str]) -> tuple[Problem, ...]:
    """Return the mistakes of one profile, and what no engine could do for it whatever the checkpoint."""
    try:
        resolved = resolve(name, sets=sets, environment=os.environ)
    except ProfileError as error:
        return error.problems
    return tuple(_placed(reason, resolved.layer) for reason in _impossible(resolved.profile))


def _impossible(profile: Profile) -> Iterator[str]:
    version = installed.installed_version() or compat.REFERENCE
    try:
        plans.make(profile, _NOWHERE, None, _card(profile), version)
    except PlanError as error:
        yield from error.reasons
    yield from args.refusals(profile, version)


def _placed(reason: str, layer: Layer) -> Problem:
    """Find the place of what cannot be done: that of the first setting which the reason names."""
    found = _SETTING.search(reason)
    path = tuple(found[0].split(".")) if found else ()
    return layer.place(path).problem(path, reason.removeprefix(f"{found[0]}: ") if found else reason)


def _card(profile: Profile) -> ModelCard | None:
    return card.find(profile.model.card) if profile.model.card else None


def _findings(reports: Sequence[tuple[str, tuple[Problem, ...]]]) -> Iterator[str]:
    """Write one line for a good profile, and one for every mistake of a bad one."""
    for name, problems in reports:
        yield from map(str, problems) if problems else (f"{name}: ok",)
