"""
Rules that concern several settings, one small function each; its docstring is its entry in the reference.

A function gets a profile whose single values are right and returns what is wrong with their combination, or nothing. Only what can never
work or would undo a safeguard is a rule; whether the engine and the model can do what is asked is decided in `plan`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deepseek_local.access import CANARY
from deepseek_local.errors import HSMError
from deepseek_local.hsm import uri
from deepseek_local.profile.front_door import LedgerKind, Listen
from deepseek_local.profile.retention import FLOORS, retention
from deepseek_local.profile.schema import Executor, Profile, Vendor

Check = Callable[[Profile], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check with its name and the settings that it reads; a breach is reported at the first one, or at a neighbour that is set."""

    id: str
    keys: tuple[str, ...]
    check: Check


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a profile breaks, and how."""

    rule: Rule
    message: str


def check(profile: Profile) -> Iterator[Breach]:
    """Find every rule that the profile breaks."""
    for rule in RULES:
        if message := rule.check(profile):
            yield Breach(rule, message)


def _rule(name: str, *keys: str) -> Callable[[Check], Rule]:
    """Make a rule of a function."""
    return lambda function: Rule(f"profile/{name}", keys, function)


@_rule("model-source", "model.card", "model.path")
def _model_source(profile: Profile) -> str | None:
    """`model.card` or `model.path` must say which checkpoint is meant."""
    if profile.model.card is None and profile.model.path is None:
        return "neither card nor path is set, name a model card or the directory of a checkpoint"
    return None


@_rule("kv-budget", "engine.kv_cache_bytes", "engine.gpu_memory_utilization", "hardware.vendor")
def _kv_budget(profile: Profile) -> str | None:
    """Exactly one of `gpu_memory_utilization` and `kv_cache_bytes` sizes the KV cache; on `cpu` it must be `kv_cache_bytes`."""
    share, size = profile.engine.gpu_memory_utilization, profile.engine.kv_cache_bytes
    if share is not None and size is not None:
        return f"both kv_cache_bytes ({size}) and gpu_memory_utilization ({share}) are set, keep one (null unsets the other)"
    if profile.hardware.vendor is Vendor.CPU and size is None:
        return "kv_cache_bytes is not set, which vendor cpu needs: a share would be taken of the whole host's memory"
    if share is None and size is None:
        return "neither kv_cache_bytes nor gpu_memory_utilization is set, set one, such as gpu_memory_utilization: 0.9"
    return None


@_rule("kv-memory", "engine.kv_cache_bytes", "hardware.memory_gib")
def _kv_memory(profile: Profile) -> str | None:
    """`kv_cache_bytes` must be smaller than `hardware.memory_gib`."""
    size, memory = profile.engine.kv_cache_bytes, profile.hardware.memory_gib
    if size is not None and size >= memory * 2**30:
        return f"kv_cache_bytes ({size / 2**30:.1f} GiB) fills all memory of one device ({memory} GiB), leave room for weights"
    return None


@_rule(
    "parallel-size",
    "engine.tensor_parallel_size",
    "engine.pipeline_parallel_size",
    "hardware.count",
    "hardware.vendor",
)
def _parallel_size(profile: Profile) -> str | None:
    """`tensor_parallel_size` × `pipeline_parallel_size` must equal `hardware.count`, except on `cpu`."""
    engine, count = profile.engine, profile.hardware.count
    workers = engine.tensor_parallel_size * engine.pipeline_parallel_size
    if profile.hardware.vendor is not Vendor.CPU and workers != count:
        product = f"{engine.tensor_parallel_size} × {engine.pipeline_parallel_size} = {workers}"
        return (
            f"tensor times pipeline parallel size ({product}) is not hardware.count ({count}), change one of the three"
        )
    return None


@_rule("ray-workers", "engine.executor", "engine.tensor_parallel_size", "engine.pipeline_parallel_size")
def _ray_workers(profile: Profile) -> str | None:
    """`executor: ray` needs more than one worker."""
    engine = profile.engine
    if engine.executor is Executor.RAY and engine.tensor_parallel_size * engine.pipeline_parallel_size == 1:
        return "executor ray is meant for several workers (1 seen), write executor: mp"
    return None


@_rule("cpu-executor", "engine.executor", "hardware.vendor")
def _cpu_executor(profile: Profile) -> str | None:
    """On `cpu` the executor must be `mp`: vLLM's CPU platform knows no Ray device."""
    if profile.hardware.vendor is Vendor.CPU and profile.engine.executor is not Executor.MP:
        return f"vendor cpu cannot use executor {profile.engine.executor}, write executor: mp"
    return None


@_rule("cpu-eager", "engine.enforce_eager", "engine.pipeline_parallel_size", "hardware.vendor")
def _cpu_eager(profile: Profile) -> str | None:
    """On `cpu`, compiled code answers wrongly and eager mode breaks pipelines: `enforce_eager` exactly when there is no pipeline."""
    eager, stages = profile.engine.enforce_eager, profile.engine.pipeline_parallel_size
    if profile.hardware.vendor is not Vendor.CPU or eager is (stages == 1):
        return None
    why = "compiled code answers wrongly" if stages == 1 else "eager mode breaks a pipeline"
    return (
        f"is {str(eager).lower()} with {stages} pipeline stage(s) on cpu, where {why}, write {str(not eager).lower()}"
    )


@_rule("batch", "engine.max_num_batched_tokens", "engine.max_num_seqs")
def _batch(profile: Profile) -> str | None:
    """`max_num_batched_tokens` must be at least `max_num_seqs`: every running request takes one token of a step."""
    tokens, requests = profile.engine.max_num_batched_tokens, profile.engine.max_num_seqs
    if tokens < requests:
        return f"max_num_batched_tokens ({tokens}) is below max_num_seqs ({requests}), raise the one or lower the other"
    return None


@_rule("socket-name", "gateway.socket")
def _socket_name(profile: Profile) -> str | None:
    """`gateway.socket` must be a bare name ending in .sock: outside the runtime directory (0750) others could reach or replace it."""
    socket = profile.gateway.socket
    if str(socket) != socket.name or socket.suffix != ".sock" or socket.name == "audit.sock":
        return f'must be a bare name ending in .sock, and not audit.sock ("{socket}" seen), write front.sock'
    return None


@_rule("token-store", "gateway.tokens")
def _token_store(profile: Profile) -> str | None:
    """`gateway.tokens` must end in .json and not share its name with another key: its own lies beside it with the ending .key."""
    tokens = profile.gateway.tokens
    if tokens.suffix != ".json" or tokens.stem in {"digest", "salt", "proxy"}:
        return f'must end in .json, and not be digest, salt or proxy.json ("{tokens}" seen), write tokens.json'
    return None


@_rule("local-principal", "gateway.local_principal")
def _local_principal(profile: Profile) -> str | None:
    """`gateway.local_principal` must not be the canary, whose token is the supervisor's own."""
    if profile.gateway.local_principal == CANARY:
        return f"{CANARY} belongs to the supervisor, choose a principal of your own such as u:operator"
    return None


@_rule("certificate-site", "gateway.certificates.issuers", "gateway.certificates", "gateway.listen", "tls.site")
def _certificate_site(profile: Profile) -> str | None:
    """Client certificates need `tls.site`, whose name they must carry, and `listen: unix`: nginx hands them over there."""
    if profile.gateway.certificates.issuers and (profile.tls.site is None or profile.gateway.listen is not Listen.UNIX):
        return "needs tls.site and gateway.listen: unix, set both or remove the issuers"
    return None


@_rule("jwt-claims", "gateway.jwt.keys", "gateway.jwt.issuer", "gateway.jwt.audience", "gateway.jwt")
def _jwt_claims(profile: Profile) -> str | None:
    """`gateway.jwt` needs `keys`, `issuer` and `audience` together: a token for another service must not count here."""
    jwt = profile.gateway.jwt
    if len({value is None for value in (jwt.keys, jwt.issuer, jwt.audience)}) > 1:
        return "needs keys, issuer and audience together, set all three or none"
    return None


@_rule("quota-limit", "gateway.quotas")
def _quota_limit(profile: Profile) -> str | None:
    """Every quota must set at least one limit."""
    for number, quota in enumerate(profile.gateway.quotas, start=1):
        limits = (quota.requests_per_minute, quota.tokens_per_minute, quota.tokens_per_day, quota.concurrent_streams)
        if not any(limits):
            return f"quota {number} of {len(profile.gateway.quotas)} limits nothing, add a limit such as requests_per_minute: 60"
    return None


@_rule("ledger-url", "gateway.ledger.url", "gateway.ledger.kind", "gateway.ledger")
def _ledger_url(profile: Profile) -> str | None:
    """`gateway.ledger.url` is needed with `kind: redis`, and with `sqlite` it would be ignored: every host would count for itself."""
    ledger = profile.gateway.ledger
    if ledger.kind is LedgerKind.REDIS and ledger.url is None:
        return "is not set, which kind redis needs, write an address such as rediss://quota.site:6379/0"
    if ledger.kind is LedgerKind.SQLITE and ledger.url is not None:
        return "is set, but kind sqlite counts on this host alone, write kind: redis or remove the url"
    return None


@_rule("signing-key", "audit.signing_key")
def _signing_key(profile: Profile) -> str | None:
    """`audit.signing_key` must be a `pkcs11:` URI with `module-path` and without a PIN, which `pin-source` names the file of."""
    try:
        if profile.audit.signing_key is not None:
            uri.parse(profile.audit.signing_key)
    except HSMError as error:
        return f"cannot be used: {error}"
    return None


@_rule("watermarks", "audit.stop_free_percent", "audit.warn_free_percent")
def _watermarks(profile: Profile) -> str | None:
    """`audit.warn_free_percent` must be above `audit.stop_free_percent`: the warning comes before the stop."""
    warn, stop = profile.audit.warn_free_percent, profile.audit.stop_free_percent
    if stop and warn <= stop:
        return f"stop_free_percent ({stop:g}) is not below warn_free_percent ({warn:g}), lower it or raise the other"
    return None


@_rule("retention-floor", "audit.retention_days", "audit.online_days", "audit.retention")
def _retention_floor(profile: Profile) -> str | None:
    """`audit.retention_days` and `audit.online_days` must not be below what `audit.retention` demands."""
    audit = profile.audit
    if audit.retention is None:
        return None
    floor = FLOORS[audit.retention]
    if audit.retention_days is not None and audit.retention_days < floor.kept_days:
        return f"retention_days ({audit.retention_days}) is below the {floor.kept_days} that {audit.retention} demands, raise it"
    if audit.online_days is not None and audit.online_days < floor.online_days:
        return f"online_days ({audit.online_days}) is below the {floor.online_days} that {audit.retention} demands, raise it"
    return None


@_rule("retention-online", "audit.online_days", "audit.retention_days", "audit.retention")
def _retention_online(profile: Profile) -> str | None:
    """`audit.online_days` needs `audit.retention` or `audit.retention_days`, and must not exceed the days for which records are kept."""
    audit = profile.audit
    if audit.online_days is None:
        return None
    held = retention(audit.retention, audit.retention_days, audit.online_days)
    if held is None:
        return f"is {audit.online_days}, but nothing says how long records are kept, set retention_days"
    if audit.online_days > held.kept_days:
        return f"is {audit.online_days}, but records are kept for {held.kept_days} days, lower it"
    return None


RULES: tuple[Rule, ...] = (
    _model_source,
    _kv_budget,
    _kv_memory,
    _parallel_size,
    _ray_workers,
    _cpu_executor,
    _cpu_eager,
    _batch,
    _socket_name,
    _token_store,
    _local_principal,
    _certificate_site,
    _jwt_claims,
    _quota_limit,
    _ledger_url,
    _signing_key,
    _watermarks,
    _retention_floor,
    _retention_online,
)
"""All rules, in the order of the schema."""
