"""
The layers of a profile's files: `extends: base` puts a file over a shipped layer, `extends: ../site.yaml` over another file.

A word is a shipped name; what has a slash in it or ends in .yaml or .yml is a file, relative to the one that extends it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from deepseek_local.errors import Problem, ProfileError
from deepseek_local.profile import text
from deepseek_local.profile.layer import Layer, Value
from deepseek_local.profile.library import SUFFIX, layers, names, shipped_file
from deepseek_local.profile.source import parse
from deepseek_local.profile.wording import meant, show

EXTENDS = "extends"
DEPTH_LIMIT = 8


def from_files(name_or_path: str) -> Layer:
    """Read a profile and all that it extends into one layer. Raises `ProfileError` if one of the files cannot be used."""
    path = _find(name_or_path, Path(), names())
    if path is None:
        known = f"{meant(name_or_path, names())}choose one of {', '.join(names())}"
        message = f"is no shipped profile, {known}; a file must have a slash or {SUFFIX} in its name"
        raise ProfileError([Problem(message, name_or_path or '""')])
    return _stack(path, ())


def _find(value: str, folder: Path, known: Sequence[str]) -> Path | None:
    """Return the file that a word or path means; `None` for an unknown word."""
    if os.sep in value or value.endswith((SUFFIX, ".yml")):
        return folder / value
    return shipped_file("profiles", value + SUFFIX) if value in known else None


def _stack(path: Path, above: tuple[Path, ...]) -> Layer:
    """Read one file, then put it over what it extends."""
    layer = parse(text.read(path), str(path))
    if EXTENDS not in layer.data:
        return layer
    value = layer.data.pop(EXTENDS)
    try:
        return _base(value, path, (*above, path)).under(layer)
    except _ExtendsError as error:
        problem = layer.place((EXTENDS,)).problem((EXTENDS,), str(error))
        raise ProfileError([*layer.problems, problem]) from error
    except ProfileError as error:
        raise ProfileError([*layer.problems, *error.problems]) from error


def _base(value: Value, path: Path, above: tuple[Path, ...]) -> Layer:
    """Read what a file extends. Raises `_ExtendsError` if its `extends` names nothing that can be read."""
    if not isinstance(value, str) or not value:
        raise _ExtendsError(f"must be one name or file ({show(value)} seen), write extends: base")
    base = _find(value, path.parent, layers())
    if base is None:
        known = f"{meant(value, layers())}choose one of {', '.join(layers())}"
        raise _ExtendsError(f"is no shipped layer ({show(value)} seen), {known}; a file is written ./{value}{SUFFIX}")
    chain = [os.path.realpath(file) for file in above]
    if os.path.realpath(base) in chain:
        raise _ExtendsError(f"leads back to {base} ({show(value)} seen), break the circle")
    if len(above) >= DEPTH_LIMIT:
        raise _ExtendsError(
            f"is the {len(above)}th level of inheritance ({show(value)} seen), use at most {DEPTH_LIMIT}"
        )
    if not os.path.exists(base):  # noqa: PTH110 -- Path.exists raises on names that are too long
        raise _ExtendsError(f"names a file that does not exist ({show(str(base))} seen), correct the path")
    return _stack(base, above)


class _ExtendsError(Exception):
    """The value of `extends` cannot be followed."""
