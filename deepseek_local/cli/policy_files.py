"""Which policy a command is about: the files that it names, or those of the profile."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click

from deepseek_local.cli.options import home_option, optional_profile_option, set_option
from deepseek_local.policy import expectations
from deepseek_local.policy.enforcer import Policy, load
from deepseek_local.policy.rules import Membership
from deepseek_local.profile import load as profiles
from deepseek_local.profile import policies
from deepseek_local.profile.library import shipped_file
from deepseek_local.profile.places import Places

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files of a policy, and who may have rights over everything by it."""

    files: tuple[Path, ...]
    administrators: Collection[str] = ()
    break_glass: Path | None = None
    """The emergency grants of the deployment whose policy it is; None for files that are nobody's policy yet."""

    def load(self, files: Sequence[Path] | None = None, extra: Sequence[Membership] = ()) -> Policy:
        """Load the policy, or one of other files with the same administrators. Raises `PolicyError`."""
        return load(self.files if files is None else files, self.administrators, extra)

    def build(self, files: Sequence[Path], extra: Sequence[Membership]) -> expectations.Decide:
        """Make a policy for a table of expectations. Raises `PolicyError`."""
        return self.load(files, extra).decide


@dataclass(frozen=True, slots=True)
class Place:
    """Where the policy lies if the command names no files."""

    profile: str | None
    sets: tuple[str, ...]
    home: Path


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--profile`, `--set` and `--home`, which the command takes as `place: Place`."""

    @optional_profile_option
    @set_option
    @home_option
    @wraps(command)
    def placed(*words: object, profile: str | None, sets: tuple[str, ...], home: Path, **rest: object) -> None:
        command(*words, place=Place(profile, sets, home), **rest)

    return placed


def policy_option(command: Command) -> Command:
    """Add `--policy`, which may be given several times."""
    return click.option(
        "--policy",
        "names",
        multiple=True,
        metavar="FILE",
        envvar="DEEPSEEK_LOCAL_POLICY",
        show_envvar=True,
        help="File of the policy, or shipped:NAME, instead of the profile's; several are read in this order.",
    )(command)


def choose(names: Sequence[str], place: Place) -> Chosen:
    """Return the named files, else the profile's; the administrators are the profile's. Raises `ProfileError`, `click.UsageError`."""
    if place.profile is None:
        if not names:
            raise click.UsageError("name the files of the policy, or a profile with --profile")
        return Chosen(tuple(map(path, names)))
    profile = profiles.load(place.profile, sets=place.sets, environment=os.environ)
    administrators = profile.gateway.administrators
    if names:
        return Chosen(tuple(map(path, names)), administrators)
    places = Places.of(place.home, os.environ)
    return Chosen(policies.files(profile, places), administrators, places.break_glass)


def path(name: str) -> Path:
    """Return the path of a file that a command names. Raises `ProfileError` for a shipped one that does not exist."""
    if name.startswith(policies.SHIPPED):
        return shipped_file("policies", name.removeprefix(policies.SHIPPED))
    return Path(name)
