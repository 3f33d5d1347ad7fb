"""Every route that the installed vLLM can register is in the catalogue, so that an upgrade cannot widen the surface unseen."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_local.access import Risk
from deepseek_local.policy import routes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

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


def test_a_text_model_registers_no_open_route_but_health(registered: list[tuple[str, str, str]]):
    accesses = {route[1:]: KNOWN[route[1:]] for route in registered if route[0] == "a text model"}
    assert [route for route, access in accesses.items() if access.risk is Risk.PUBLIC] == [("GET", "/health")]


def test_what_development_switches_add_is_never_answered(registered: list[tuple[str, str, str]]):
    usual = {route[1:] for route in registered if route[0] == "a text model"}
    added = {route[1:] for route in registered if route[0] == "all switches"} - usual
    lora = {("POST", "/v1/load_lora_adapter"), ("POST", "/v1/unload_lora_adapter")}
    assert lora < added
    assert {route for route in added if KNOWN[route].risk is not Risk.NEVER} == lora
