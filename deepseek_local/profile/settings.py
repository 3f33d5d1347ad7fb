"""Every single setting of the schema with its key, its environment twin and its text: what overrides, suggestions and documents go by."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import get_args

from pydantic.fields import FieldInfo

from deepseek_local.profile.schema import Profile
from deepseek_local.profile.section import Section

TWIN_PREFIX = "DEEPSEEK_LOCAL_"
TWIN_SEPARATOR = "__"
"""Only settings have two underscores in a row in their variable, so `DEEPSEEK_LOCAL_HOME` and its like are not taken for one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the schema: a section, or a value."""

    path: tuple[str, ...]
    field: FieldInfo
    section: type[Section] | None
    """The model of a section; `None` for a value."""

    @property
    def key(self) -> str:
        """Return the dotted path."""
        return ".".join(self.path)

    @property
    def text(self) -> str:
        """Return the documentation under the field."""
        return self.field.description or ""

    @property
    def twin(self) -> str | None:
        """Return the environment variable that overrides the value; what stands outside of all sections has none."""
        if self.section or len(self.path) == 1:
            return None
        return TWIN_PREFIX + TWIN_SEPARATOR.join(self.path).upper()


@cache
def settings() -> tuple[Setting, ...]:
    """Return all sections and values in the order of the schema."""
    return tuple(_below(Profile, ()))


@cache
def children(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of what stands directly below a section, which may be an item of a list or mapping; the empty path is the profile."""
    holder = next((setting.field.annotation for setting in settings() if setting.path == path[:-1]), None)
    for item in get_args(holder):
        if isinstance(item, type) and issubclass(item, Section):
            return tuple(item.model_fields)
    return tuple(setting.path[-1] for setting in settings() if setting.path[:-1] == path)


def _below(section: type[Section], path: tuple[str, ...]) -> Iterator[Setting]:
    """Walk one section."""
    for name, field in section.model_fields.items():
        at = (*path, name)
        inner = (
            field.annotation if isinstance(field.annotation, type) and issubclass(field.annotation, Section) else None
        )
        yield Setting(at, field, inner)
        if inner:
            yield from _below(inner, at)
