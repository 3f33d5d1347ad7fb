"""
From a name or a file to one frozen, checked profile, or to all of its mistakes at once.

Four kinds of layers lie over each other: what is extended, the file, the environment, `--set`. The stack is checked value by value
(`shape`) and as a whole (`rules`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from deepseek_local.errors import Problem, ProfileError
from deepseek_local.profile import policies, rules, shape
from deepseek_local.profile.inheritance import from_files
from deepseek_local.profile.layer import Layer, Path
from deepseek_local.profile.overrides import from_environment, from_sets
from deepseek_local.profile.schema import Profile

NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A profile together with the stack of layers it was made of, which knows where every value comes from."""

    profile: Profile
    layer: Layer


def load(name_or_path: str, *, sets: Sequence[str] = (), environment: Mapping[str, str] = NO_ENVIRONMENT) -> Profile:
    """Return the profile. Raises `ProfileError` with all of its mistakes."""
    return resolve(name_or_path, sets=sets, environment=environment).profile


def resolve(
    name_or_path: str, *, sets: Sequence[str] = (), environment: Mapping[str, str] = NO_ENVIRONMENT
) -> Resolved:
    """Return the profile and the origin of its values. Raises `ProfileError` with all of its mistakes."""
    layer = from_files(name_or_path)
    for top in (*from_environment(environment), *from_sets(sets)):
        layer = layer.under(top)
    profile, wrong = shape.check(layer)
    problems = (*layer.problems, *wrong.values(), *_breaches(profile, layer, wrong), *policies.problems(profile, layer))
    if problems:
        raise ProfileError(_sorted(problems))
    return Resolved(profile, layer)


def _breaches(profile: Profile, layer: Layer, wrong: Mapping[Path, Problem]) -> Iterator[Problem]:
    """Report the broken rules, except where a value that the rule reads is wrong by itself."""
    for breach in rules.check(profile):
        paths = [tuple(key.split(".")) for key in breach.rule.keys]
        if any(path[: len(known)] == known for path in paths for known in wrong):
            continue
        section = paths[0][:-1]
        path = next((path for path in paths if path[:-1] == section and path in layer.places), paths[0])
        yield layer.place(path).problem(path, f"{breach.message} [{breach.rule.id}]")


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    """Order mistakes as they stand in their files, each told once."""
    return sorted(
        set(problems), key=lambda problem: (problem.file, problem.line or 0, problem.column or 0, str(problem))
    )
