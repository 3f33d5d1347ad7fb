"""A guard, and questions to it, for the tests of what a request may ask."""

import json
from typing import Any

import pytest

from deepseek_local.access import Access, Body, Risk
from deepseek_local.gateway import documents
from deepseek_local.gateway.caps import RoleCeilings
from deepseek_local.gateway.guards import Guard
from deepseek_local.gateway.refusal import Refusal, RefusedError
from deepseek_local.profile.front_door import Caps, Limits

NOBODY: frozenset[str] = frozenset()


def route(path: str, resource: str = "inference_chat") -> Access:
    return Access(path, resource, "execute", Risk.GUARDED, Body.JSON)


CHAT = route("/v1/chat/completions")
COMPLETION = route("/v1/completions")
RESPONSES = route("/v1/responses")


def guard(roles: dict[str, Caps] | None = None, **limits: Any) -> Guard:
    return Guard(RoleCeilings(Limits(**limits), roles or {}), frozenset({"m"}), 8192, b"k" * 32)


def document(body: dict[str, Any]) -> documents.Document:
    return documents.parse(json.dumps(body).encode())


def refusal_of(
    body: dict[str, Any], access: Access = CHAT, checked_by: Guard | None = None, roles: frozenset[str] = NOBODY
) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        (checked_by or guard()).check(document(body), access, roles)
    return caught.value.refusal


def passes(body: dict[str, Any], access: Access = CHAT, checked_by: Guard | None = None) -> None:
    (checked_by or guard()).check(document(body), access, NOBODY)
