"""
The routes of the catalogue as locations of nginx: the same list by which the front door decides, so that both know the same paths.

A location compares the path that nginx has decoded and cleaned, so each compares the path as it was spelled once more.
"""

from collections.abc import Iterator, Mapping

from deepseek_local.access import Risk
from deepseek_local.policy.routes import CATALOGUE, WEBSOCKET, pattern
from deepseek_local.proxy import template


def served() -> Mapping[str, tuple[str, ...]]:
    """Return every path that the front door ever serves, as the catalogue writes it, with its methods."""
    found: dict[str, tuple[str, ...]] = {}
    for route in CATALOGUE:
        if route.access.risk is not Risk.NEVER:
            found[route.access.route] = (*found.get(route.access.route, ()), route.method)
    return found


def blocks(headers: str, stream_seconds: int) -> Iterator[str]:
    """Yield a location for every served path."""
    for path, methods in served().items():
        if methods == (WEBSOCKET,):
            more = {"headers": template.indent(headers, 1), "stream_seconds": stream_seconds}
            yield template.fill("websocket", location=_location(path), differs=_differs(path), **more)
        else:
            yield template.fill("route", location=_location(path), differs=_differs(path), refused=_refused(methods))


def allowed() -> Iterator[str]:
    """Yield a line of a map from paths to what stands in `Allow`."""
    for path, methods in served().items():
        key = f'"~{_regular(path)}"' if _varies(path) else path
        yield f'{key} "{", ".join("GET" if method == WEBSOCKET else method for method in methods)}";'


def _location(path: str) -> str:
    return f'~ "{_regular(path)}"' if _varies(path) else f"= {path}"


def _differs(path: str) -> str:
    return f'!~ "{_regular(path)}"' if _varies(path) else f"!= {path}"


def _refused(methods: tuple[str, ...]) -> str:
    return f"!= {methods[0]}" if len(methods) == 1 else f'!~ "^(?:{"|".join(methods)})$"'


def _varies(path: str) -> bool:
    return "{" in path


def _regular(path: str) -> str:
    return f"^{pattern(path)}$"
