"""
The field table: what each field of a request body may do, and that every other field is refused.

`fields.csv` lists every field of the request models that vLLM 0.26 to 0.33 reads on the inference routes (`vllm/entrypoints/*/protocol.py`);
a contract test compares it with the installed engine; and a few that clients send although vLLM ignores them. vLLM itself lets unknown fields
pass (`OpenAIBaseModel`, `extra="allow"`), so what one version ignores can have a meaning in the next.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

import msgspec


class Treatment(StrEnum):
    """What the guard does with a field that a request has."""

    ALLOWED = "allowed"
    """Passes as it is."""
    CAPPED = "capped"
    """Passes up to a cap."""
    MEDIA = "media"
    """Passes when it carries its content itself."""
    SWITCHES = "switches"
    """Passes when it has the known switches only."""
    REFUSED = "refused"
    """Ends the request, unless it is null or says what holds anyway."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the table."""

    name: str
    treatment: Treatment
    cap: str | None
    """Name of the cap of a capped field."""
    unless: object
    """The value of a refused field that changes nothing."""
    note: str
    """What it is good for, or why it is refused."""


def _read(lines: Iterable[str]) -> dict[str, Field]:
    return {row["field"]: _field(row) for row in csv.DictReader(lines, strict=True)}


def _field(row: dict[str, str]) -> Field:
    unless = msgspec.json.decode(row["unless"]) if row["unless"] else None
    return Field(row["field"], Treatment(row["treatment"]), row["cap"] or None, unless, row["note"])


TABLE = _read(resources.files("deepseek_local.gateway").joinpath("fields.csv").read_text("ascii").splitlines())
"""Every known field by its name."""

FREE = frozenset(field.name for field in TABLE.values() if field.treatment is Treatment.ALLOWED)
"""The fields that need no look."""
