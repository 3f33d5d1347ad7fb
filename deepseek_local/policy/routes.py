"""
The route catalogue: what each route of the engine means, and that every other route does not exist.

`routes.csv` lists every route that vLLM 0.26 to 0.33 can register (`vllm/entrypoints/launchers/app.py`, `build_app`); a contract test
compares it with the installed engine. Matching is exact on method and path, so that a second spelling of a path (`//v1`, `%76%31`,
`/v1/`, `/v1/./models`, `/V1`) is simply another path, and unknown. A variable part matches one segment of harmless characters.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from deepseek_local.access import Access, Body, Risk

WEBSOCKET = "WEBSOCKET"
"""Method under which the catalogue lists WebSocket routes."""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the catalogue."""

    method: str
    access: Access
    note: str
    """Since when or under which condition the engine registers the route, and why it is closed."""


def match(method: str, path: str) -> Access | None:
    """Return what a request for this method and path means, or None when the catalogue has no such route."""
    access = _EXACT.get((method, path))
    if access is not None:
        return access
    return next((access for verb, shape, access in _SHAPED if verb == method and shape.fullmatch(path)), None)


def _read(lines: Iterable[str]) -> tuple[Route, ...]:
    return tuple(_route(row) for row in csv.DictReader(lines, strict=True))


def _route(row: dict[str, str]) -> Route:
    access = Access(row["path"], row["resource"], row["action"], Risk(row["risk"]), Body(row["body"]))
    return Route(row["method"], access, row["note"])


def pattern(path: str) -> str:
    """Return a regular expression, for Python and PCRE alike, of the whole paths that a path of the catalogue stands for."""
    fixed = (re.escape(part) for part in re.split(r"\{[a-z]+\}", path))
    return "[A-Za-z0-9_-]{1,128}".join(fixed)


CATALOGUE = _read(resources.files("deepseek_local.policy").joinpath("routes.csv").read_text("ascii").splitlines())
"""Every known route, in the order of the file."""

_EXACT = {(route.method, route.access.route): route.access for route in CATALOGUE if "{" not in route.access.route}
_SHAPED = tuple(
    (route.method, re.compile(pattern(route.access.route)), route.access)
    for route in CATALOGUE
    if "{" in route.access.route
)
