"""Numbers arrive in Prometheus' registry whole and once, and no label is ever made of what a client sent."""

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from deepseek_local import gateway
from deepseek_local.gateway import metrics
from deepseek_local.gateway.refusal import Refusal
from deepseek_local.gateway.tally import Durations, Pool, Tally

ROOT = Path(__file__).parents[3]


def sample(name: str, **labels: str) -> float:
    metrics.stop()
    value = REGISTRY.get_sample_value(f"deepseek_local_{name}", labels)
    assert value is not None, f"there is no {name} {labels}"
    return value


def growth(act: Callable[[], None], name: str, **labels: str) -> float:
    before = sample(name, **labels)
    act()
    return sample(name, **labels) - before


@pytest.mark.parametrize("reason", metrics.REASONS)
def test_a_refusal_counts_under_its_reason(reason: str):
    assert growth(lambda: metrics.refused(reason), "refusals_total", reason=reason) == 1
    assert growth(lambda: metrics.refused(reason), "decisions_total", decision="deny") == 1


def test_a_reason_that_nobody_listed_is_another_one():
    assert growth(lambda: metrics.refused("/etc/passwd"), "refusals_total", reason="other") == 1
    assert REGISTRY.get_sample_value("deepseek_local_refusals_total", {"reason": "/etc/passwd"}) is None


def test_every_refusal_of_the_front_door_has_its_reason_listed():
    modules = [
        importlib.import_module(f"{gateway.__name__}.{module.name}")
        for module in pkgutil.iter_modules(gateway.__path__)
    ]
    found = {value.reason for module in modules for value in vars(module).values() if isinstance(value, Refusal)}
    assert len(found) > 10
    assert found <= set(metrics.REASONS)


def test_an_admitted_request_counts_with_its_time():
    assert growth(lambda: metrics.admitted(0.0004), "decisions_total", decision="allow") == 1
    assert growth(lambda: metrics.admitted(0.0004), "front_door_seconds_count") == 1
    assert growth(lambda: metrics.admitted(0.25), "front_door_seconds_sum") == pytest.approx(0.25)


def test_decisions_and_records_count_with_their_time():
    assert growth(lambda: metrics.decided(8e-6), "decision_seconds_bucket", le="1e-05") == 1
    assert growth(lambda: metrics.decided(8e-6), "decision_seconds_bucket", le="5e-06") == 0
    assert growth(lambda: metrics.appended(3e-4), "audit_append_seconds_count") == 1


def test_quotas_count_by_limit_and_by_kind():
    assert growth(lambda: metrics.quota_refused("tokens_per_day"), "quota_refusals_total", limit="tokens_per_day") == 1
    assert growth(lambda: metrics.quota_used("tokens", 300), "quota_used_total", kind="tokens") == 300
    assert growth(lambda: metrics.quota_used("tokens", -300), "quota_used_total", kind="tokens") == 0
    assert growth(lambda: metrics.quota_used("requests"), "quota_used_total", kind="requests") == 1


def test_bans_and_policies_count():
    assert growth(metrics.shadow_differed, "shadow_differences_total") == 1
    assert growth(metrics.banned, "bans_total") == 1
    assert growth(metrics.policy_refused, "policy_refused_total") == 1


def test_running_streams_go_up_and_down():
    assert growth(metrics.stream_began, "streams_running") == 1
    assert growth(metrics.stream_ended, "streams_running") == -1


def test_the_policy_in_force_is_a_number_that_its_digest_begins_with():
    assert growth(lambda: metrics.policy_generation(f"sha256:{'0' * 11}a{'f' * 52}"), "policy_loads_total") == 1
    assert sample("policy_fingerprint") == 10
    metrics.policy_generation("sha256:" + "f" * 64, loads=2)
    assert sample("policy_fingerprint") == 2**48 - 1
    assert sample("policy_loaded_timestamp_seconds") > 1_700_000_000


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_filled_in_portions_is_as_one_that_observes(seconds: list[float]):
    bounds, registry = (1e-5, 1e-3, 0.1, 1.0), CollectorRegistry()
    pool, plain = Pool(), Histogram("plain", "-", buckets=bounds, registry=registry)
    portions = Durations(pool, "test_portions", "-", bounds)
    REGISTRY.unregister(portions)
    for index, value in enumerate(seconds):
        plain.observe(value)
        portions.add(value)
        if index % 3 == 0:
            pool.pour()
    pool.pour()

    numbers, expected = values(portions), values(plain)
    assert numbers == pytest.approx(expected)


def values(histogram: Histogram) -> list[float]:
    (family,) = histogram.collect()
    return [one.value for one in family.samples if not one.name.endswith("_created")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_metric_is_in_the_reference(language: str):
    page = (ROOT / "docs" / language / "reference" / "metrics.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(deepseek_local_\w+)` \| (\w+)", page, re.MULTILINE))
    families = [family for family in REGISTRY.collect() if family.name.startswith("deepseek_local_")]
    ours = {(family.name + ("_total" if family.type == "counter" else ""), family.type) for family in families}
    rotation = (ROOT / "deepseek_local" / "rotation" / "metrics.py").read_text("utf-8")
    theirs = {(name, "gauge") for name in re.findall(r'"(deepseek_local_\w+)"', rotation)}
    assert len(theirs) > 1
    assert listed == ours | theirs
    for label in (*metrics.LIMITS, *metrics.KINDS):
        assert f"`{label}`" in page


def test_numbers_are_poured_again_and_again_without_being_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deepseek_local.gateway.tally.PERIOD_SECONDS", 0.01)
    received: list[float] = []

    async def count() -> None:
        pool, poured = Pool(), asyncio.Event()
        tally = Tally(pool, received.append)
        pool.add(poured.set)
        pool.start()
        for _ in range(2):
            tally.add()
            tally.add(2)
            poured.clear()
            await asyncio.wait_for(poured.wait(), 10)
        pool.stop()

    asyncio.run(count())
    assert received == [3, 3]


def test_a_stop_pours_what_is_left_and_a_later_event_loop_can_start_again():
    received: list[float] = []
    pool = Pool()
    tally = Tally(pool, received.append)

    async def count() -> None:
        pool.start()
        tally.add()
        pool.stop()

    asyncio.run(count())
    asyncio.run(count())
    assert received == [1, 1]
