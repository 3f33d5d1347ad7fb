"""nginx's list of routes and the front door's are one list."""

import re
from pathlib import Path

import pytest

from deepseek_local.access import Risk
from deepseek_local.policy.routes import CATALOGUE, WEBSOCKET, match
from deepseek_local.proxy import locations
from deepseek_local.proxy.refusals import REFUSALS, pages

ROOT = Path(__file__).parents[3]


def test_every_served_route_has_a_location_and_no_other_has():
    served = locations.served()
    for route in CATALOGUE:
        assert (route.method in served.get(route.access.route, ())) == (route.access.risk is not Risk.NEVER)


def test_a_location_compares_the_path_as_it_was_spelled():
    blocks = list(locations.blocks("", 60))
    assert len(blocks) == len(locations.served())
    exact = re.compile(r"location = (\S+) \{\n    if \(\$path != (\S+)\)")
    varying = re.compile(r'location ~ "(\S+)" \{\n    if \(\$path !~ "(\S+)"\)')
    for block in blocks:
        found = exact.match(block) or varying.match(block)
        assert found
        assert found[1] == found[2]


def test_methods_are_those_of_the_catalogue():
    lines = dict(each.rstrip(";").split(" ", 1) for each in locations.allowed())
    assert lines["/ping"] == '"GET, POST"'
    assert lines["/v1/realtime"] == '"GET"'
    for path, methods in locations.served().items():
        example = path.replace("{id}", "resp_1")
        assert all(match(method, example) for method in methods if method != WEBSOCKET)


def test_every_refusal_of_nginx_that_the_issue_names_has_an_answer():
    named = {400, 403, 404, 405, 408, 413, 414, 429, 431, 494, 495, 496, 497, 502, 503, 504}
    assert named <= {each.code for each in REFUSALS}
    assert "error_page 496 =400 /.refused/496;" in list(pages())
    assert "error_page 404 /.refused/404;" in list(pages())
    # Its body stands between single quotes, in which nginx looks for variables.
    assert not [each for each in REFUSALS if set("'$\\") & set(each.message)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_refusal_of_nginx_is_explained(language):
    text = (ROOT / "docs" / language / "reference/errors.md").read_text("utf-8")
    assert [
        each.reason for each in REFUSALS if f"| {each.status} | `{each.kind}` | `{each.reason}` |" not in text
    ] == []
