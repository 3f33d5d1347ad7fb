"""A resolved profile written as YAML, every value with its origin: what `profile show` prints. The text is a valid profile itself."""

import json
import re
from collections.abc import Iterator

from deepseek_local.profile.layer import Value
from deepseek_local.profile.load import Resolved
from deepseek_local.profile.schema import Profile
from deepseek_local.profile.section import Section
from deepseek_local.profile.settings import Setting, settings
from deepseek_local.profile.source import resolve

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@:-]*[A-Za-z0-9_]")
_READ_AS_BOOLEAN = {"y", "n", "yes", "no", "on", "off"}
"""Plain text here, but true or false to other readers of YAML."""

DEFAULT = "default"


def values(resolved: Resolved) -> dict[str, Value]:
    """Return the profile as plain data, defaults included."""
    data: dict[str, Value] = resolved.profile.model_dump(mode="json")
    return data


def origins(resolved: Resolved) -> dict[str, str]:
    """Say for every value where it comes from: `file:line`, `--set`, a variable, or `default`."""
    return {setting.key: _origin(resolved, setting) for setting in settings() if not setting.section}


def lines(resolved: Resolved) -> Iterator[str]:
    """Write the profile as YAML with the origins as comments."""
    where = origins(resolved)
    for setting in settings():
        indent = "  " * (len(setting.path) - 1)
        if setting.section:
            yield f"{indent}{setting.path[-1]}:"
        else:
            value = _yaml(_value(resolved.profile, setting.path))
            yield f"{indent}{setting.path[-1]}: {value}  # {where[setting.key].rpartition('/')[2]}"


def _origin(resolved: Resolved, setting: Setting) -> str:
    """Say where one value comes from."""
    place = resolved.layer.places.get(setting.path)
    if place is None:
        return DEFAULT
    return place.file if place.line is None else f"{place.file}:{place.line}"


def _value(profile: Profile, path: tuple[str, ...]) -> Value:
    """Return one value as plain data."""
    section: Section = profile
    for part in path[:-1]:
        section = getattr(section, part)
    data: dict[str, Value] = section.model_dump(mode="json", include={path[-1]})
    return data[path[-1]]


def _yaml(value: Value) -> str:
    """Write a value on one line: words as they are, everything else as JSON, which is YAML too."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_yaml(key)}: {_yaml(item)}' for key, item in value.items())}}}"
    if (
        isinstance(value, str)
        and _PLAIN.fullmatch(value)
        and resolve(value) == value
        and value.lower() not in _READ_AS_BOOLEAN
    ):
        return value
    return json.dumps(value, ensure_ascii=False)
