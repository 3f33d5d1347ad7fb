"""The JSON Schema (draft 2020-12) by which editors complete and check a profile while it is written."""

from typing import Any

from deepseek_local.profile.inheritance import EXTENDS
from deepseek_local.profile.schema import Profile


def json_schema() -> dict[str, Any]:
    """Describe one file. Nothing is required in it, because whatever is missing may come from what it extends."""
    schema = Profile.model_json_schema()
    _relax(schema)
    extends = {
        "type": "string",
        "description": "Shipped layer (`base` or a profile) or file (`./site.yaml`) below this one.",
    }
    schema["properties"] = {EXTENDS: extends, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _relax(part: Any) -> None:
    """Remove every `required`, and the titles that only repeat the names."""
    if isinstance(part, dict):
        for word in ("required", "title"):
            if not isinstance(part.get(word), dict):
                part.pop(word, None)
        for inner in part.values():
            _relax(inner)
    elif isinstance(part, list):
        for inner in part:
            _relax(inner)
