"""
One layer of a profile: plain data in which every key knows its place, and how one layer lies over another.

A profile is a stack of layers: `base`, the files that extend it, the environment, `--set`. Mappings of two layers are merged, everything
else is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from deepseek_local.errors import Problem
from deepseek_local.profile.wording import dotted

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands; what does not come from a file has no line."""

    file: str
    line: int | None = None
    column: int | None = None

    def problem(self, path: Path, message: str) -> Problem:
        """Make the report of a mistake at this place."""
        return Problem(message, self.file, self.line, self.column, dotted(path) or None)


@dataclass(frozen=True, slots=True)
class Layer:
    """The data of one or several layers, the place of every key, and the mistakes of form that were met."""

    data: dict[str, Value]
    places: Mapping[Path, Place]
    """The place of every path in `data`; the empty path stands for the layer as a whole."""
    problems: tuple[Problem, ...] = ()

    def place(self, path: Path) -> Place:
        """Return the place of a path, or of the longest part of it that is known."""
        known = (path[:length] for length in range(len(path), -1, -1))
        return next(self.places[part] for part in known if part in self.places)

    def under(self, top: "Layer") -> "Layer":
        """Put another layer on top of this one."""
        places = dict(self.places)
        data = _merge(self.data, top.data, (), places)
        return Layer(data, {**places, **top.places}, self.problems + top.problems)


def _merge(base: dict[str, Value], top: dict[str, Value], path: Path, places: dict[Path, Place]) -> dict[str, Value]:
    """Merge two mappings, and forget the places of what is replaced."""
    merged = dict(base)
    for key, value in top.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merge(below, value, (*path, key), places)
        else:
            merged[key] = value
            _forget((*path, key), places)
    return merged


def _forget(path: Path, places: dict[Path, Place]) -> None:
    """Remove a path and everything below it."""
    for known in [known for known in places if known[: len(path)] == path]:
        del places[known]
