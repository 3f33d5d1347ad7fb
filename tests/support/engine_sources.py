"""
Print every route that the sources of a vLLM declare, one `METHOD path` a line, without running them.

    python tests/support/engine_sources.py DIRECTORY >tests/golden/routes/VERSION.txt

DIRECTORY is the package `vllm` of an unpacked wheel. What only FastAPI or a library adds is not in these sources. A declaration that
cannot be read is an error, so that no route is missed unseen.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "trace"}
RECEIVERS = re.compile(r"(\w*_)?(router|app)")
OTHER_SERVERS = (
    "benchmarks/",
    "distributed/kv_transfer/",
    "entrypoints/cli/preload.py",
    "entrypoints/launchers/dp_supervisor.py",
    "entrypoints/openai/dp_supervisor.py",
)
"""Parts with an HTTP server of their own, which no start of ours brings up."""
NAMED = {"app.swagger_ui_oauth2_redirect_url": "/docs/oauth2-redirect"}
"""Paths that are not written out, and what FastAPI makes of them."""


def scan(package: Path) -> list[str]:
    """Return the routes in order. Raises `ValueError` for a declaration that cannot be read."""
    found = set[str]()
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if not name.startswith(OTHER_SERVERS):
            found.update(_routes(ast.parse(path.read_bytes()), name))
    return sorted(found)


def _routes(tree: ast.AST, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            try:
                yield from _declared(node)
            except ValueError as error:
                raise ValueError(f"{name}:{node.lineno}: {error}: {ast.unparse(node)}") from error


def _declared(call: ast.Call) -> Iterator[str]:
    function = call.func
    if isinstance(function, ast.Name):
        if function.id in {"Mount", "Route", "WebSocketRoute", "APIRoute"}:
            yield f"GET {_path(call)}"
        elif function.id == "APIRouter" and any(word.arg == "prefix" for word in call.keywords):
            raise ValueError("a router with a prefix")
    elif isinstance(function, ast.Attribute) and RECEIVERS.fullmatch(ast.unparse(function.value).rpartition(".")[2]):
        yield from _of_router(function.attr, call)


def _of_router(attribute: str, call: ast.Call) -> Iterator[str]:
    if attribute in METHODS:
        yield f"{attribute.upper()} {_path(call)}"
    elif attribute in {"websocket", "add_api_websocket_route", "add_websocket_route"}:
        yield f"WEBSOCKET {_path(call)}"
    elif attribute == "mount":
        yield f"GET {_path(call)}"
    elif attribute in {"api_route", "add_api_route", "add_route", "route"}:
        if call.args and ast.unparse(call.args[0]) == "route.path":
            return  # One that is declared elsewhere, with another answer (`scale_out/factories.py`).
        for method in _methods(call):
            yield f"{method} {_path(call)}"


def _path(call: ast.Call) -> str:
    path = call.args[0] if call.args else next((word.value for word in call.keywords if word.arg == "path"), None)
    if path is not None and ast.unparse(path) in NAMED:
        return NAMED[ast.unparse(path)]
    if not isinstance(path, ast.Constant) or not str(path.value).startswith("/"):
        raise ValueError("a path that is not written out")
    return re.sub(r"\{[^}]*\}", "{}", str(path.value))


def _methods(call: ast.Call) -> list[str]:
    methods = next((word.value for word in call.keywords if word.arg == "methods"), None)
    return [str(method) for method in ast.literal_eval(methods)] if methods is not None else ["GET"]


if __name__ == "__main__":
    print("\n".join(scan(Path(sys.argv[1]))))
