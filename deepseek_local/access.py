"""
The words that identity, policy, gateway and audit share about one request.

`Principal` says who asks, `Access` what the route means, `Verdict` what was decided and why. They carry no behaviour.
"""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a name in the `u:` (person) or `s:` (service) namespace, and how it was proved."""

    name: str
    source: str
    """Where the identity comes from: `token` or `canary`."""
    key_id: str
    """Public identifier of the credential, safe to log."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a route means to the policy: casbin's `obj` and `act`, with the treatment of the route itself."""

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
