"""The policy files that a profile names: `shipped:NAME` comes with the kit, every other one lies below *home*."""

from collections.abc import Iterator
from pathlib import Path

from deepseek_local.errors import Problem
from deepseek_local.profile.layer import Layer
from deepseek_local.profile.library import file_names, shipped_file
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile
from deepseek_local.profile.wording import meant, show

SHIPPED = "shipped:"


def files(profile: Profile, places: Places) -> tuple[Path, ...]:
    """Return the absolute paths of the policy in force, in order."""
    return tuple(_path(name, places) for name in profile.gateway.policy)


def shadow_files(profile: Profile, places: Places) -> tuple[Path, ...]:
    """Return the absolute paths of the policy that is only tried, in order."""
    return tuple(_path(name, places) for name in profile.gateway.shadow_policy)


def _path(name: str, places: Places) -> Path:
    return shipped_file("policies", name.removeprefix(SHIPPED)) if name.startswith(SHIPPED) else places.home / name


def problems(profile: Profile, layer: Layer) -> Iterator[Problem]:
    """Report every `shipped:` policy that does not exist."""
    shipped = [SHIPPED + name for name in file_names("policies")]
    named = [("policy", *entry) for entry in enumerate(profile.gateway.policy)]
    named += [("shadow_policy", *entry) for entry in enumerate(profile.gateway.shadow_policy)]
    for key, index, name in named:
        if name.startswith(SHIPPED) and name not in shipped:
            path = ("gateway", key, index)
            known = f"{meant(name, shipped)}choose one of {', '.join(shipped)}"
            yield layer.place(path).problem(path, f"is no shipped policy ({show(name)} seen), {known}")
