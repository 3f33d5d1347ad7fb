"""
The files that come with the kit: profiles, policies and templates for nginx, as package data of a wheel or as folders of a checkout.

`base` is not a profile but the layer that profiles extend, so `names` leaves it out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import deepseek_local
from deepseek_local.errors import Problem, ProfileError
from deepseek_local.profile.wording import meant

Kind = Literal["profiles", "policies", "nginx"]

BASE = "base"
SUFFIX = ".yaml"
TESTS = ".tests.csv"
"""Tables of expectations, which lie beside policies and are none themselves."""
SUFFIXES: Mapping[Kind, str] = {"profiles": SUFFIX, "policies": ".csv", "nginx": ".conf"}


def names() -> tuple[str, ...]:
    """Return the names of the shipped profiles."""
    return tuple(name for name in layers() if name != BASE)


def layers() -> tuple[str, ...]:
    """Return what `extends` may name: the shipped profiles and `base`."""
    return tuple(file.removesuffix(SUFFIX) for file in file_names("profiles"))


def file_names(kind: Kind) -> tuple[str, ...]:
    """Return the names of all shipped files of one kind, those in a folder as `regulated/duties.csv`; tests of policies are none."""
    root = _directory(kind)
    found = (path for path in root.rglob(f"*{SUFFIXES[kind]}") if not path.name.endswith(TESTS))
    return tuple(sorted(path.relative_to(root).as_posix() for path in found))


def shipped_file(kind: Kind, name: str) -> Path:
    """Return the path of a shipped file, such as `policies`, `seed.csv`. Raises `ProfileError` if there is none."""
    known = file_names(kind)
    if name not in known:
        message = f"is not among the shipped {kind}, {meant(name, known)}choose one of {', '.join(known)}"
        raise ProfileError([Problem(message, file=f"shipped:{name}")])
    return _directory(kind) / name


def _directory(kind: Kind) -> Path:
    """Return the folder: `data/KIND` inside an installed package, `KIND` beside it in a checkout."""
    package = Path(deepseek_local.__file__).parent
    installed = package / "data" / kind
    return installed if installed.is_dir() else package.parent / kind
