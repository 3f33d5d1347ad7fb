"""Questions to the policy written by hand: who, `POST /v1/chat/completions` or `audit_log:read`, and `model=deepseek-67b stream=true`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deepseek_local.access import PRINCIPAL, Access, Attribute, Body, Principal, Risk, Strength
from deepseek_local.policy import routes
from deepseek_local.policy.attributes import ATTRIBUTES, is_known, remedy
from deepseek_local.policy.rules import ACTIONS

_OBJECT = re.compile(r"([a-z][A-Za-z0-9._-]*):([a-z]+)")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Question:
    """What the front door asks the policy about one request."""

    principal: Principal
    request: str
    """The route or `resource:action` as it was written."""
    access: Access
    attributes: Mapping[str, Attribute]
    """What the request has; what is not named, it lacks."""

    def __str__(self) -> str:
        """Render on one line, as a table of expectations would write it."""
        words = (f"{name}={written(value)}" for name, value in self.attributes.items())
        return f"{self.principal.name}, {self.request}, {' '.join(words)}".removesuffix(", ")


def ask(name: str, request: str, words: Iterable[str]) -> Question:
    """Read a question. Raises `ValueError` with what is wrong and what would be right."""
    given = _attributes(words)
    return Question(_principal(name, given), request, _access(request), given)


def written(value: Attribute) -> str:
    """Write the value of an attribute as it is read."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _principal(name: str, given: Mapping[str, Attribute]) -> Principal:
    if not PRINCIPAL.fullmatch(name):
        raise ValueError(f"{name!r} is no principal; write u:NAME for a person or s:NAME for a service, in lower case")
    tenant, strength = given.get("tenant"), given.get("auth_strength", Strength.TOKEN)
    return Principal(name, "asked", "none", None if tenant is None else str(tenant), strength=Strength(int(strength)))


def _access(request: str) -> Access:
    method, _, path = request.partition(" ")
    if path:
        access = routes.match(method, path.strip())
        if access is None:
            raise ValueError(
                f"the catalogue has no route {request!r}; take one of it, or write resource:action such as audit_log:read"
            )
        return access
    found = _OBJECT.fullmatch(request)
    if found is None or found[2] not in ACTIONS:
        raise ValueError(f"{request!r} is no request; write METHOD /path, or resource:action such as audit_log:read")
    return Access(request, found[1], found[2], Risk.GUARDED, Body.NONE)


def _attributes(words: Iterable[str]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in ATTRIBUTES:
            raise ValueError(f"attribute {name!r} is unknown; write NAME=VALUE with one of {', '.join(ATTRIBUTES)}")
        if not text:
            raise ValueError(
                f"attribute {name} has no value; write {name}=VALUE, or leave it out if the request lacks it"
            )
        if name in found:
            raise ValueError(f"attribute {name} is given twice; remove one")
        found[name] = _value(name, text)
        wanted = remedy(name, found[name]) or (None if is_known(name, found) else "it is an address")
        if wanted:
            raise ValueError(f"attribute {name} can never be {text!r}, {wanted}")
    return found


def _value(name: str, text: str) -> Attribute:
    kind = ATTRIBUTES[name]
    if kind is bool and text not in _BOOLEANS:
        raise ValueError(f"attribute {name} is true or false, not {text!r}")
    if kind is int and not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f"attribute {name} is a whole number, not {text!r}")
    return _BOOLEANS[text] if kind is bool else kind(text)
