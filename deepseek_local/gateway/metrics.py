"""
What the front door tells Prometheus: refusals, decisions, quotas, the policy in force, and its own speed.

Everything lies in prometheus_client's default registry, which vLLM's `/metrics` shows (`vllm/v1/metrics/prometheus.py`); with several
API server processes the numbers go through files, and any process answers for all. Labels come from the short lists below, never from a
request. Call from the event loop; every function costs about 0.3 µs or less.
"""

import time

from prometheus_client import Counter, Gauge

from deepseek_local.gateway.tally import Durations, Pool, Tally

OTHER = "other"
"""Stands for every label that is not in a list."""
REASONS = (
    "no_route",
    "unauthenticated",
    "banned",
    "forbidden",
    "too_large",
    "too_slow",
    "rate_limit_exceeded",
    "encoded",
    "malformed",
    "field_refused",
    "over_limit",
    "model_not_found",
    "disconnected",
    "draining",
    "no_identities",
    "no_ledger",
    "no_record",
    "failed",
    OTHER,
)
"""The `reason` of every refusal, as records have it."""
LIMITS = ("requests_per_minute", "tokens_per_minute", "tokens_per_day", "concurrent_streams", OTHER)
"""The limits of a quota, as the profile names them."""
KINDS = ("requests", "tokens", OTHER)
"""What is counted against quotas."""

_SHORT_SECONDS = (5e-6, 1e-5, 1.5e-5, 2e-5, 3e-5, 5e-5, 7.5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
_LONG_SECONDS = (1e-4, 2e-4, 3e-4, 5e-4, 8e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 0.5, 1.0, 2.0, 10.0)

_pool = Pool()


def _tallies(name: str, documentation: str, label: str, values: tuple[str, ...]) -> dict[str, Tally]:
    counter = Counter(name, documentation, (label,))
    return {value: Tally(_pool, counter.labels(value).inc) for value in values}


def _tally(name: str, documentation: str) -> Tally:
    return Tally(_pool, Counter(name, documentation).inc)


_decisions = _tallies(
    "deepseek_local_decisions", "Requests that the front door decided on.", "decision", ("allow", "deny")
)
_refusals = _tallies("deepseek_local_refusals", "Requests that the front door refused.", "reason", REASONS)
_quota_refusals = _tallies("deepseek_local_quota_refusals", "Requests for which a quota had no room.", "limit", LIMITS)
_quota_used = _tallies("deepseek_local_quota_used", "What was counted against quotas.", "kind", KINDS)
_bans = _tally("deepseek_local_bans", "Bans that are over, of addresses that went on meanwhile.")
_policy_loads = _tally("deepseek_local_policy_loads", "Policies taken into force, the first included.")
_policy_refusals = _tally("deepseek_local_policy_refused", "Changed policies that could not be used.")
_shadow_differences = _tally(
    "deepseek_local_shadow_differences", "Decisions that the shadow policy would have made otherwise."
)
_streams = Tally(
    _pool,
    Gauge("deepseek_local_streams_running", "Answers on their way.", multiprocess_mode="livesum").inc,
)
_decision_seconds = Durations(_pool, "deepseek_local_decision_seconds", "Asking the policy once.", _SHORT_SECONDS)
_front_door_seconds = Durations(
    _pool, "deepseek_local_front_door_seconds", "From the head of an allowed request to the engine.", _LONG_SECONDS
)
_audit_append_seconds = Durations(
    _pool, "deepseek_local_audit_append_seconds", "Until a record was on disk.", _LONG_SECONDS
)
_audit_lost = _tally(
    "deepseek_local_audit_lost", "Records that were never written, which only the degraded mode allows."
)
_policy_fingerprint = Gauge(
    "deepseek_local_policy_fingerprint",
    "The first 48 bits of the digest of the policy in force, as a number.",
    multiprocess_mode="liveall",
)
_policy_loaded_seconds = Gauge(
    "deepseek_local_policy_loaded_timestamp_seconds",
    "When the policy in force was loaded; of several processes the earliest time.",
    multiprocess_mode="livemin",
)


def admitted(seconds: float) -> None:
    """Count a request that the engine may see, `seconds` after its head arrived."""
    _decisions["allow"].add()
    _front_door_seconds.add(seconds)


def refused(reason: str) -> None:
    """Count a request that was refused for this reason."""
    _decisions["deny"].add()
    _chosen(_refusals, reason).add()


def decided(seconds: float) -> None:
    """Count one question to the policy and how long the answer took."""
    _decision_seconds.add(seconds)


def shadow_differed() -> None:
    """Count a decision that the shadow policy would have made otherwise."""
    _shadow_differences.add()


def appended(seconds: float) -> None:
    """Count one record and how long it took until it was on disk."""
    _audit_append_seconds.add(seconds)


def audit_lost(count: int) -> None:
    """Count records that fell out of memory before they could be written."""
    _audit_lost.add(count)


def quota_refused(limit: str) -> None:
    """Count a request for which this limit of a quota had no room."""
    _chosen(_quota_refusals, limit).add()


def quota_used(kind: str, amount: float = 1) -> None:
    """Count requests or tokens that were charged; a negative amount, for what was reserved and not used, is left out."""
    if amount > 0:
        _chosen(_quota_used, kind).add(amount)


def banned() -> None:
    """Count a ban that is over, in which the address went on."""
    _bans.add()


def stream_began() -> None:
    """Count an answer that is on its way; `stream_ended` must follow."""
    _streams.add(1)


def stream_ended() -> None:
    """Count an answer that is over, however it ended."""
    _streams.add(-1)


def policy_generation(digest: str, loads: int = 1) -> None:
    """
    Tell which policy is in force from now on in this process, and how many were loaded since this was called last.

    The digest (`sha256:` and hex digits) becomes a number, not a label: with several processes a label that was once used stays.
    """
    _policy_fingerprint.set(int(digest.rpartition(":")[2][:12], 16))
    _policy_loaded_seconds.set(time.time())
    _policy_loads.add(loads)


def policy_refused() -> None:
    """Count a changed policy that could not be used; the one before stays in force."""
    _policy_refusals.add()


def start() -> None:
    """Give what is counted to Prometheus twice a second from now on, while the running event loop lives, until `stop`."""
    _pool.start()


def stop() -> None:
    """Give Prometheus what is left."""
    _pool.stop()


def _chosen(tallies: dict[str, Tally], label: str) -> Tally:
    return tallies.get(label) or tallies[OTHER]
