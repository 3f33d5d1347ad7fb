"""What is generated from the schema: the reference page and the JSON Schema for editors."""

import runpy
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from deepseek_local.profile import editor
from deepseek_local.profile.editor import json_schema
from deepseek_local.profile.library import layers, shipped_file
from deepseek_local.profile.schema import Profile
from deepseek_local.profile.settings import settings
from deepseek_local.profile.wording import PATTERNS

SCRIPT = Path(__file__).parents[3] / "scripts" / "reference"


def test_generated_files_are_up_to_date():
    outputs = runpy.run_path(str(SCRIPT))["outputs"]()
    assert {path.name for path in outputs} == {"profile.md", "schema.json"}
    for path, text in outputs.items():
        assert path.read_text("utf-8") == text, f"{path} is stale: run make golden and review the diff"


def test_every_setting_has_a_text():
    assert [setting.key for setting in settings() if not setting.text] == []


def test_every_pattern_of_the_schema_has_words():
    schema = TypeAdapter(Profile).json_schema()
    assert {node["pattern"] for node in nodes(schema) if "pattern" in node} == set(PATTERNS)


@pytest.mark.parametrize("name", layers())
def test_the_json_schema_accepts_every_shipped_file(name):
    jsonschema = pytest.importorskip("jsonschema")
    data = yaml.safe_load(shipped_file("profiles", f"{name}.yaml").read_text("utf-8"))
    jsonschema.Draft202012Validator(json_schema()).validate(data)


def test_the_json_schema_refuses_a_mistyped_key():
    jsonschema = pytest.importorskip("jsonschema")
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid({"engine": {"max_num_seq": 1}})


def test_a_setting_may_be_called_like_a_word_of_json_schema():
    part = {
        "title": "Gone",
        "required": ["title"],
        "properties": {"title": {"type": "string"}, "required": {"title": "Gone"}},
    }
    editor._relax(part)
    assert part == {"properties": {"title": {"type": "string"}, "required": {}}}


def nodes(part):
    """Walk all mappings of a JSON document."""
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from nodes(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from nodes(inner)
