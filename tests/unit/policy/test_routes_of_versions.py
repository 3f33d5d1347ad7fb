"""
The catalogue against every route that the sources of vLLM 0.26 to 0.33 declare.

`tests/golden/routes` holds what `tests/support/engine_sources.py` found in the published wheels; that it reads them well, the contract
test shows on the installed version.
"""

import re
from pathlib import Path

import pytest

from deepseek_local.policy import routes

DECLARED = {
    path.stem: frozenset(path.read_text("ascii").splitlines())
    for path in sorted((Path(__file__).parents[2] / "golden" / "routes").glob("*.txt"))
}
FROM_LIBRARIES = {
    "POST /adapters",  # model_hosting_container_standards, once a LoRA handler is registered
    "DELETE /adapters/{}",
    "GET /openapi.json",  # FastAPI
    "GET /redoc",
    *(f"HEAD {path}" for path in ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")),
}
KNOWN = {f"{route.method} {re.sub(r'{[a-z]+}', '{}', route.access.route)}": route for route in routes.CATALOGUE}


def test_all_versions_of_the_engine_are_compared():
    assert [version.rpartition(".")[0] for version in DECLARED] == [f"0.{minor}" for minor in range(26, 34)]


@pytest.mark.parametrize("version", DECLARED)
def test_every_declared_route_is_in_the_catalogue(version: str):
    assert sorted(DECLARED[version] - KNOWN.keys()) == []


def test_the_catalogue_has_no_route_that_no_version_declares():
    assert sorted(KNOWN.keys() - frozenset().union(*DECLARED.values())) == sorted(FROM_LIBRARIES)


@pytest.mark.parametrize("route", KNOWN)
def test_the_note_says_since_when_there_is_the_route(route: str):
    having = [version.rpartition(".")[0] for version, declared in DECLARED.items() if route in declared]
    noted = re.search(r"since (0\.\d\d)", KNOWN[route].note)
    assert (noted[1] if noted else "0.26") == (having[0] if having else "0.26")
