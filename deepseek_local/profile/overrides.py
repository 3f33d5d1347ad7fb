"""The layers that lie over the files: environment variables first, `--set` on top."""

from collections.abc import Iterator, Mapping, Sequence

from deepseek_local.errors import Problem, ProfileError
from deepseek_local.profile.layer import Layer, Place
from deepseek_local.profile.settings import TWIN_PREFIX, TWIN_SEPARATOR, settings
from deepseek_local.profile.source import parse_value, unprintable
from deepseek_local.profile.wording import meant, show


def from_environment(environment: Mapping[str, str]) -> Iterator[Layer]:
    """Turn every variable like `DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS` into a layer; one that names no setting is a mistake."""
    twins = {setting.twin: setting.path for setting in settings() if setting.twin}
    for name in sorted(environment):
        if name.startswith(TWIN_PREFIX) and TWIN_SEPARATOR in name.removeprefix(TWIN_PREFIX):
            if name in twins:
                yield _value(environment[name], Place(name), twins[name])
            else:
                message = f"is the variable of no setting, {meant(name, twins)}correct it or unset it"
                yield _mistake(Place(name).problem((), message))


def from_sets(sets: Sequence[str]) -> Iterator[Layer]:
    """Turn every `key=value` into a layer."""
    for text in sets:
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        if equals and all(path) and not unprintable(key):
            yield _value(value, Place(f"--set {key.strip()}"), path)
        else:
            message = f"must be KEY=VALUE ({show(text)} seen), write it like engine.max_num_seqs=64"
            yield _mistake(Place("--set").problem((), message))


def _value(text: str, place: Place, path: tuple[str, ...]) -> Layer:
    """Parse a value; what cannot be parsed is a mistake of this layer and leaves the others to be checked."""
    if message := unprintable(text):
        return _mistake(place.problem(path, message))
    try:
        return parse_value(text, place, path)
    except ProfileError as error:
        return _mistake(*error.problems)


def _mistake(*problems: Problem) -> Layer:
    """Make a layer that says nothing but what is wrong."""
    return Layer({}, {}, problems)
