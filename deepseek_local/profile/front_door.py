"""The `gateway` section of a profile: where the front door listens, who may pass, and how much of it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from deepseek_local.access import PRINCIPAL
from deepseek_local.profile.section import Name, PrincipalName, Section

Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""Name of a role as policy files write it."""


class Listen(StrEnum):
    """Where the front door answers."""

    UNIX = "unix"
    """A Unix socket, for nginx on the same host."""
    LOOPBACK = "loopback"
    """A TCP port on 127.0.0.1."""


class LedgerKind(StrEnum):
    """Where quotas are counted."""

    SQLITE = "sqlite"
    """A file in the runtime directory, shared by all API server processes of this host."""
    REDIS = "redis"
    """A Redis server (7 or newer), shared by several hosts."""


class Caps(Section):
    """The largest request; every cap is an upper bound for one of its properties."""

    body_bytes: int | None = Field(default=None, ge=1024, le=1_073_741_824)
    """Request body in bytes; above it the answer is 413."""
    messages: int | None = Field(default=None, ge=1, le=100_000)
    """Messages of a conversation."""
    prompts: int | None = Field(default=None, ge=1, le=100_000)
    """Prompts in one request."""
    n: int | None = Field(default=None, ge=1, le=16_384)
    """Answers to one prompt (`n`)."""
    best_of: int | None = Field(default=None, ge=1, le=16_384)
    """Answers computed for one prompt (`best_of`)."""
    logprobs: int | None = Field(default=None, ge=0, le=1_000)
    """Alternatives per token (`logprobs`, `top_logprobs`, `prompt_logprobs`)."""
    max_tokens: int | None = Field(default=None, ge=1, le=16_777_216)
    """Tokens of one answer; a request that names no number may get as many."""
    tools: int | None = Field(default=None, ge=0, le=10_000)
    """Tools offered to the model."""
    schema_bytes: int | None = Field(default=None, ge=64, le=16_777_216)
    """JSON Schemas, grammars and patterns of one request, in bytes of JSON."""
    schema_depth: int | None = Field(default=None, ge=1, le=256)
    """Nesting of a JSON Schema."""


class Limits(Caps):
    """Caps that hold for everybody."""

    body_bytes: int = Field(default=4_194_304, ge=1024, le=1_073_741_824)
    """Request body in bytes; above it the answer is 413."""
    body_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long a client may take to send its body; after it the answer is 408."""
    messages: int = Field(default=2_048, ge=1, le=100_000)
    """Messages of a conversation."""
    prompts: int = Field(default=128, ge=1, le=100_000)
    """Prompts in one request."""
    n: int = Field(default=8, ge=1, le=16_384)
    """Answers to one prompt (`n`)."""
    best_of: int = Field(default=8, ge=1, le=16_384)
    """Answers computed for one prompt (`best_of`)."""
    logprobs: int = Field(default=20, ge=0, le=1_000)
    """Alternatives per token (`logprobs`, `top_logprobs`, `prompt_logprobs`)."""
    tools: int = Field(default=128, ge=0, le=10_000)
    """Tools offered to the model."""
    schema_bytes: int = Field(default=65_536, ge=64, le=16_777_216)
    """JSON Schemas, grammars and patterns of one request, in bytes of JSON."""
    schema_depth: int = Field(default=32, ge=1, le=256)
    """Nesting of a JSON Schema."""


class Quota(Section):
    """
    How much may be used together by all requests that match: what it does not name, it does not ask for.

    `*` stands for every value, each with a count of its own: `principal: "*"` with `role: operator` counts every operator apart, `role:
    operator` alone counts all operators together. A request must have room in every quota that it matches.
    """

    principal: Annotated[str, StringConstraints(pattern=f"^(\\*|{PRINCIPAL.pattern})$")] | None = None
    """Who asks: a principal, or `*`."""
    role: Role | None = None
    """A role that the policy gives to who asks."""
    tenant: Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9_-]{0,62})$")] | None = None
    """The tenant for which is asked, or `*`."""
    model: Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")] | None = None
    """The model that is asked, or `*`."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Requests in one minute of the clock (UTC)."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Tokens, prompt and answer together, in one minute of the clock (UTC)."""
    tokens_per_day: int | None = Field(default=None, ge=1)
    """Tokens, prompt and answer together, in one day (UTC)."""
    concurrent_streams: int | None = Field(default=None, ge=1)
    """Requests that are answered at the same time."""


class Ledger(Section):
    """Where quotas are counted."""

    kind: LedgerKind = LedgerKind.SQLITE
    """`sqlite` (this host) or `redis` (several hosts)."""
    url: str | None = Field(
        default=None,
        pattern=r"^(rediss?://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[0-9]{1,4})?|unix:///[^@?#]+)$",
    )
    """Address of the Redis server, such as `rediss://quota.site:6379/0`; its password does not belong here."""
    password_file: Path | None = None
    """File with the password of the Redis server (mode 0600), relative to the home directory."""
    timeout_seconds: float = Field(default=1.0, gt=0, le=30)
    """How long a request waits for the ledger before it is refused with 503."""


class Certificates(Section):
    """Client certificates, which nginx checks and hands over on the Unix socket."""

    issuers: tuple[Path, ...] = ()
    """PEM files with the certificates of the authorities whose leaf certificates name principals, relative to the home directory; none: no certificate counts."""
    denied_serials: Path = Path("denied-serials.txt")
    """Serial numbers (hexadecimal, one a line) that are refused at once, relative to the home directory; it need not exist."""


class JWT(Section):
    """Signed JSON Web Tokens of an identity provider, checked without asking it."""

    keys: Path | None = None
    """JWK Set with the provider's public keys, relative to the home directory; without it, no JSON Web Token counts."""
    issuer: str | None = Field(default=None, min_length=1, max_length=256)
    """What `iss` must be."""
    audience: str | None = Field(default=None, min_length=1, max_length=256)
    """What `aud` must contain."""


class Bans(Section):
    """What happens to an address from which wrong credentials keep coming; right ones always pass."""

    failures: int = Field(default=20, ge=1, le=100_000)
    """Failed attempts of one address within a minute, after which it is banned."""
    seconds: int = Field(default=60, ge=1, le=86_400)
    """How long a banned address gets 429 for whatever it cannot prove."""


class Gateway(Section):
    """The front door: where it listens, who may pass, and how much of it."""

    listen: Listen = Listen.UNIX
    """`unix` (behind nginx) or `loopback` (this host only)."""
    socket: Path = Path("front.sock")
    """Unix socket, relative to the runtime directory; used with `listen: unix`."""
    socket_group: Name | None = None
    """Group that may connect to the socket, usually nginx's; without it only the own group."""
    port: int = Field(default=8000, ge=1, le=65535)
    """TCP port on 127.0.0.1; used with `listen: loopback`."""
    policy: tuple[str, ...] = Field(default=("shipped:seed.csv", "users.csv"), min_length=1)
    """Policy files, read as one policy in this order; `shipped:NAME` comes with the kit, other paths are relative to the home directory."""
    shadow_policy: tuple[str, ...] = ()
    """Policy files that are only tried: where they would decide differently, the record of the decision says so."""
    administrators: tuple[PrincipalName, ...] = ()
    """Principals whom the policy may give rights over everything; any other such grant is a mistake."""
    tokens: Path = Path("tokens.json")
    """Token store, relative to the home directory; mode 0600."""
    local_principal: PrincipalName | None = None
    """Principal for whom every start mints a token into the runtime directory (0600), for `deepseek-local chat` on this host; without it, none."""
    certificates: Certificates = Certificates()
    """Client certificates."""
    jwt: JWT = JWT()
    """JSON Web Tokens."""
    bans: Bans = Bans()
    """Addresses that guess."""
    limits: Limits = Limits()
    """Caps for every request."""
    role_limits: dict[Role, Caps] = Field(default_factory=dict)
    """Caps for who has a role, by its name; of several caps the strictest holds."""
    quotas: tuple[Quota, ...] = ()
    """How much may be used, and by whom."""
    ledger: Ledger = Ledger()
    """Where quotas are counted."""
