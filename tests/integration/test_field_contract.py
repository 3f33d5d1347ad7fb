"""Every field that the installed vLLM reads is in the table, so that an upgrade cannot widen what a request may ask."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_local.access import Body, Risk
from deepseek_local.gateway import dialects
from deepseek_local.gateway.fields import TABLE
from deepseek_local.gateway.guards import GUARDED
from deepseek_local.policy.routes import CATALOGUE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed"),
]

JUDGED = {
    route.access.route
    for route in CATALOGUE
    if route.access.risk is Risk.GUARDED
    and route.access.body is Body.JSON
    and route.access.resource.startswith(GUARDED)
}


@pytest.fixture(scope="module")
def read() -> list[tuple[str, str, list[str]]]:
    """Path, model and field names of everything that a judged route reads."""
    program = Path(__file__).with_name("engine_fields.py")
    result = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=110)
    assert result.returncode == 0, result.stderr
    found = map(json.loads, result.stdout.splitlines())
    return [(path, model, names) for path, model, names in found if path in JUDGED]


def test_every_field_is_judged(read: list[tuple[str, str, list[str]]]):
    assert {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"} <= {path for path, _, _ in read}
    assert len(read) > 12
    assert sorted({name for _, _, names in read for name in names if name not in TABLE}) == []


def test_a_salt_is_put_in_exactly_where_a_model_has_the_field(read: list[tuple[str, str, list[str]]]):
    with_salt = {path for path, _, names in read if "cache_salt" in names}
    ours = {path for path, _, _ in read if dialects.of(path).salted_since is not None}
    assert with_salt == ours


def test_lengths_are_taken_exactly_where_a_model_has_them(read: list[tuple[str, str, list[str]]]):
    for path, model, names in read:
        assert (path, model, dialects.LENGTHS.intersection(names)) == (path, model, set(dialects.of(path).lengths))


def test_usage_is_asked_for_exactly_where_a_model_has_the_field(read: list[tuple[str, str, list[str]]]):
    for path, _, names in read:
        assert ("stream_options" in names) == dialects.of(path).tells_usage
