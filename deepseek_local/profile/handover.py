"""What one start tells every API server process: the profile's wishes with all paths resolved, and the secrets of this start hashed."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from deepseek_local.profile import policies
from deepseek_local.profile.front_door import Bans, Caps, LedgerKind, Limits, Listen, Quota
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import AuditCapture, AuditMode, Profile
from deepseek_local.profile.section import Section

GATEWAY_VARIABLE = "DEEPSEEK_LOCAL_GATEWAY"
"""Names the file with the `GatewaySettings`."""


class CertificateSettings(Section):
    """How client certificates become principals."""

    site: str
    """Trust domain that the SAN URI must name, `spiffe://SITE/user/NAME` or `spiffe://SITE/service/NAME`."""
    issuer_files: tuple[Path, ...]
    """PEM files of the authorities whose leaf certificates count."""
    denied_serials_file: Path
    """Serial numbers that are refused; it need not exist."""


class JWTSettings(Section):
    """How JSON Web Tokens become principals."""

    keys_file: Path
    """JWK Set with the provider's public keys."""
    issuer: str
    """What `iss` must be."""
    audience: str
    """What `aud` must contain."""


class LedgerSettings(Section):
    """Where quotas are counted."""

    kind: LedgerKind
    """SQLite or Redis."""
    file: Path
    """The SQLite database."""
    url: str | None
    """Address of the Redis server."""
    password_file: Path | None
    """Its password."""
    timeout_seconds: float
    """How long a request waits for the ledger."""


class CaptureSettings(Section):
    """Where prompts and answers are kept."""

    directory: Path
    """The store."""
    key_file: Path
    """The key that wraps the key of each day."""


class GatewaySettings(Section):
    """What one start tells every API server process, in one file (mode 0600) named by `GATEWAY_VARIABLE`."""

    policy_files: tuple[Path, ...]
    """Absolute paths, in order."""
    shadow_files: tuple[Path, ...] = ()
    """Absolute paths of the policy that is only tried."""
    administrators: tuple[str, ...] = ()
    """Principals who may have rights over everything."""
    break_glass_file: Path
    """Absolute path of the emergency grants; it need not exist."""
    tokens_file: Path
    """Absolute path of the token store."""
    tokens_key_file: Path
    """Absolute path of the key under which tokens are hashed."""
    internal_tokens: dict[str, str]
    """Principal to keyed hash of the token that this start minted for it (canary, local user)."""
    token_use_directory: Path
    """Absolute path of the directory in which a file per token tells, by its time, when it was used last."""
    proxy_key_file: Path | None = None
    """Key that nginx shows with every request (`X-DS-Proxy`), so that nobody else on the socket can speak for a client; None on TCP."""
    certificates: CertificateSettings | None = None
    """Client certificates; None where none count."""
    jwt: JWTSettings | None = None
    """JSON Web Tokens; None where none count."""
    bans: Bans = Bans()
    """Addresses that guess."""
    audit_socket: Path
    """Absolute path of the sequencer's socket."""
    audit_timeout_seconds: float
    """How long a request waits for its record."""
    audit_mode: AuditMode = AuditMode.STRICT
    """What happens to it after that."""
    digest_keys: Path
    """Absolute path of the directory of the keys under which prompts and answers are digested."""
    capture: CaptureSettings | None = None
    """Where prompts and answers are kept; None where they are not."""
    drain_file: Path
    """While this file exists, new requests get 503."""
    limits: Limits
    """Caps for every request."""
    role_limits: dict[str, Caps] = Field(default_factory=dict)
    """Caps for who has a role."""
    quotas: tuple[Quota, ...] = ()
    """How much may be used, and by whom."""
    ledger: LedgerSettings
    """Where quotas are counted."""
    salt_key_file: Path
    """Absolute path of the key from which every tenant's prefix-cache salt is derived."""
    served_models: tuple[str, ...]
    """Names that clients may put into `model`."""
    max_model_len: int
    """Longest request in tokens, prompt and answer together."""
    node: str
    """Name of this host, as audit records carry it."""


def settings(profile: Profile, places: Places, internal_tokens: Mapping[str, str], node: str) -> GatewaySettings:
    """Resolve what a profile says about the front door."""
    gateway = profile.gateway
    return GatewaySettings(
        policy_files=policies.files(profile, places),
        shadow_files=policies.shadow_files(profile, places),
        administrators=gateway.administrators,
        break_glass_file=places.break_glass,
        tokens_file=places.tokens(profile),
        tokens_key_file=places.tokens_key(profile),
        internal_tokens=dict(internal_tokens),
        token_use_directory=places.token_use(profile),
        proxy_key_file=places.proxy_key if gateway.listen is Listen.UNIX else None,
        certificates=_certificates(profile, places),
        jwt=_jwt(profile, places),
        bans=gateway.bans,
        audit_socket=places.audit_socket,
        audit_timeout_seconds=profile.audit.timeout_seconds,
        audit_mode=profile.audit.mode,
        digest_keys=places.digest_keys,
        capture=_capture(profile, places),
        drain_file=places.drain,
        limits=gateway.limits,
        role_limits=gateway.role_limits,
        quotas=gateway.quotas,
        ledger=ledger_settings(profile, places),
        salt_key_file=places.salt_key,
        served_models=(profile.model.served_name,),
        max_model_len=profile.engine.max_model_len,
        node=node,
    )


def _certificates(profile: Profile, places: Places) -> CertificateSettings | None:
    chosen = profile.gateway.certificates
    if not chosen.issuers or profile.tls.site is None:
        return None
    return CertificateSettings(
        site=profile.tls.site,
        issuer_files=tuple(places.home / issuer for issuer in chosen.issuers),
        denied_serials_file=places.home / chosen.denied_serials,
    )


def _capture(profile: Profile, places: Places) -> CaptureSettings | None:
    if profile.audit.capture is AuditCapture.OFF:
        return None
    return CaptureSettings(directory=places.captures, key_file=places.capture_key)


def _jwt(profile: Profile, places: Places) -> JWTSettings | None:
    chosen = profile.gateway.jwt
    if chosen.keys is None or chosen.issuer is None or chosen.audience is None:
        return None
    return JWTSettings(keys_file=places.home / chosen.keys, issuer=chosen.issuer, audience=chosen.audience)


def ledger_settings(profile: Profile, places: Places) -> LedgerSettings:
    """Resolve where quotas are counted; the command line looks there too."""
    chosen = profile.gateway.ledger
    return LedgerSettings(
        kind=chosen.kind,
        file=places.ledger,
        url=chosen.url,
        password_file=places.home / chosen.password_file if chosen.password_file else None,
        timeout_seconds=chosen.timeout_seconds,
    )
