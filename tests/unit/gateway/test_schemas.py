"""Schemas, grammars and tools are bounded."""

import json
from typing import Any

import pytest
from guarded import CHAT, guard, passes, refusal_of


@pytest.mark.parametrize(
    "field",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"a": "x" * 90}}}},
        {"structured_outputs": {"regex": "x" * 90}},
        {"structured_outputs": {"grammar": "x" * 90}},
        {"tools": [{"type": "function", "function": {"parameters": {"a": "x" * 90}}}]},
        {"messages": [{"role": "system", "content": [{"tool": {"definition": {"name": "x" * 90}}}]}]},
    ],
)
def test_schemas_are_bounded_in_bytes(field: dict[str, Any]):
    assert "bytes of schemas" in refusal_of(field, CHAT, guard(schema_bytes=100)).message
    passes(field)


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels > 1 else {}


@pytest.mark.parametrize(
    ("levels", "is_fine"), [(5, True), (6, False)]
)  # fmt: skip
@pytest.mark.parametrize(
    "wrap",
    [
        lambda schema: {"response_format": {"json_schema": {"schema": schema}}},
        lambda schema: {"text": {"format": {"schema": schema}}},
        lambda schema: {"output_config": {"format": {"schema": schema}}},
        lambda schema: {"structured_outputs": {"json": schema}},
        lambda schema: {"structured_outputs": {"json": json.dumps(schema)}},
        lambda schema: {"tools": [{"function": {"parameters": schema}}]},
    ],
)
def test_schemas_are_bounded_in_depth(wrap: Any, levels: int, is_fine: bool):  # noqa: FBT001  a table's column
    checked_by = guard(schema_depth=5)
    if is_fine:
        passes(wrap(nested(levels)), CHAT, checked_by)
    else:
        assert "levels of a schema" in refusal_of(wrap(nested(levels)), CHAT, checked_by).message


def test_a_schema_in_a_text_must_be_json():
    assert "must be JSON" in refusal_of({"structured_outputs": {"json": "{"}}).message


@pytest.mark.parametrize("tool", [{"type": "mcp", "server_url": "http://x"}, {"type": "web_search"}, {"type": []}, "f"])
def test_tools_that_somebody_else_runs_are_refused(tool: object):
    assert refusal_of({"tools": [tool]}).param == "tools"
