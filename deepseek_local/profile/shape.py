"""
The check of single values: pydantic's strict JSON mode over a layer, with every error told at the key that caused it.

JSON mode, because strict Python mode refuses text for paths, enumerations and tuples, while strict JSON mode takes them and still refuses
`"64"` for a number.
"""

import json

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deepseek_local.errors import Problem
from deepseek_local.profile.layer import Layer, Path, Value
from deepseek_local.profile.schema import Profile
from deepseek_local.profile.settings import children, settings
from deepseek_local.profile.wording import meant, sentence, show

SPECIMEN: dict[str, Value] = {
    "hardware": {"vendor": "nvidia", "gpu": "any", "count": 1, "memory_gib": 4096},
    "model": {"served_name": "any"},
    "engine": {"max_model_len": 16, "max_num_seqs": 1, "max_num_batched_tokens": 4096},
}
"""A right value for every required setting: what stands in for a wrong one while the rules look at the others."""


def check(layer: Layer) -> tuple[Profile, dict[Path, Problem]]:
    """
    Turn data into a profile, and return what is wrong with single values by their path.

    With mistakes the profile is mended: what is wrong has its default or a specimen, so that rules about other settings can still be checked.
    """
    try:
        return Profile.model_validate_json(json.dumps(layer.data)), {}
    except ValidationError as error:
        wrong = {_path(detail): _problem(detail, layer) for detail in error.errors(include_url=False)}
    return Profile.model_validate_json(json.dumps(_mended(layer.data, tuple(wrong)))), wrong


def _path(detail: ErrorDetails) -> Path:
    """Return the path of the setting; pydantic appends `[key]` where the key of a mapping is wrong."""
    return tuple(part for part in detail["loc"] if part != "[key]")


def _problem(detail: ErrorDetails, layer: Layer) -> Problem:
    """Tell one error at its place."""
    path = _path(detail)
    return layer.place(path).problem(path, _message(detail, path))


def _message(detail: ErrorDetails, path: Path) -> str:
    """Tell what is wrong with a key or its value."""
    if detail["type"] == "missing":
        text = next((setting.text for setting in settings() if setting.path == path), "")
        return f"is missing, add it{text and ': ' + text}"
    if detail["type"] == "extra_forbidden":
        section = tuple(str(part) for part in path[:-1])
        return f"is no setting ({show(detail['input'])} seen), {_suggestion(str(path[-1]), section)}"
    return sentence(detail["type"], detail.get("ctx", {}), detail["input"], detail["msg"])


def _suggestion(name: str, section: tuple[str, ...]) -> str:
    """Say which setting may have been meant by an unknown name, here or in another section."""
    here = children(section)
    elsewhere = [setting.key for setting in settings() if setting.path[-1] == name]
    guess = f"did you mean {elsewhere[0]}? " if elsewhere else meant(name, here)
    return f"{guess}the settings here are {', '.join(here)}"


def _mended(data: dict[str, Value], wrong: tuple[Path, ...]) -> dict[str, Value]:
    """Return the data without what is wrong, over the specimen."""
    specimen = Layer(SPECIMEN, {})
    return specimen.under(Layer(_without(data, set(wrong), ()), {})).data


def _without(data: dict[str, Value], wrong: set[Path], path: Path) -> dict[str, Value]:
    """Copy a mapping without the keys that are wrong, or that hold a list in which anything is wrong."""
    kept: dict[str, Value] = {}
    for key, value in data.items():
        at = (*path, key)
        if at in wrong or any(known[: len(at)] == at and isinstance(known[len(at)], int) for known in wrong):
            continue
        kept[key] = _without(value, wrong, at) if isinstance(value, dict) else value
    return kept
