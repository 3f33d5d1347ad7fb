"""
The words that profile, identity, policy and gateway share about one request.

`Principal` says who asks, `Access` what the route means, `Verdict` what was decided and why. They carry no behaviour.
"""

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum

PRINCIPAL = re.compile(r"[us]:[a-z0-9][a-z0-9._@-]{0,62}")
"""The full text of a principal's name: `u:` for a person, `s:` for a service; lower case only, so that no two look alike."""

ROLE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
"""The full text of a role's name."""

TENANT = re.compile(r"[a-z][a-z0-9_-]{0,62}")
"""The full text of a tenant's name."""

CANARY = "s:canary"
"""The principal as whom the supervisor asks the golden question; its rights must not be lent to anybody."""


class Body(StrEnum):
    """What a route expects as request body."""

    NONE = "none"
    JSON = "json"
    MULTIPART = "multipart"


class Risk(StrEnum):
    """How a route is treated before any policy is asked."""

    PUBLIC = "public"
    """Answered without identity and without a record, so that a probe works when everything else is down."""
    GUARDED = "guarded"
    """Identity, policy and audit decide."""
    NEVER = "never"
    """No rule can open it; it is answered like a route that does not exist."""


class Strength(IntEnum):
    """How well an identity is proved; conditions of the policy compare it as `auth_strength`."""

    TOKEN = 1
    """A bearer token: whoever holds the text is believed."""
    JWT = 2
    """A short-lived token signed by an identity provider."""
    CERTIFICATE = 3
    """A client certificate, whose key never leaves its owner."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a name in the `u:` (person) or `s:` (service) namespace, and how it was proved."""

    name: str
    source: str
    """Where the identity comes from: `token`, `canary`, `jwt` or `mtls`."""
    key_id: str
    """Public identifier of the credential, safe to log."""
    tenant: str | None = None
    """The tenant for which the credential speaks; None where it names none."""
    roles: frozenset[str] | None = None
    """The only roles that the credential carries; None for all that the policy gives to its owner."""
    strength: Strength = Strength.TOKEN


Attribute = str | int | bool
"""A value that a condition of the policy may look at; which names there are, `policy.conditions` says."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a route means to the policy: casbin's `obj` and `act`, with the treatment of the route itself."""

    route: str
    """Path of the route as the catalogue writes it, `/v1/responses/{id}` for one with a variable part."""
    resource: str
    action: str
    risk: Risk
    body: Body


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the policy: allowed or not, by which rule, under which policy."""

    allowed: bool
    rule: str
    """The rule that decided, as `p:operator/inference_*/execute`, or `default` when none matched."""
    policy: str
    """Digest of the policy text, `sha256:` and 64 hex digits."""
    roles: frozenset[str] = frozenset()
    """The roles that the principal has here, by which its limits are chosen."""
    tenant: str | None = None
    """The tenant for which it was decided."""
    grant: str | None = None
    """Identifier of the emergency grant without which the answer would have been no."""
    shadow: str | None = None
    """What the shadow policy would have said, as `allow` or `deny` and its rule, where that differs."""
