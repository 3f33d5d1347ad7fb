"""Emergency grants: they count while they last, are told of in the verdict, and a broken file grants nothing."""

from datetime import timedelta
from pathlib import Path

import pytest
from live_policy import Clock, always, at_once

from deepseek_local.access import Access, Body, Principal, Risk
from deepseek_local.policy import break_glass
from deepseek_local.policy.live import LivePolicy
from deepseek_local.policy.news import Event

CHAT = Access("/v1/chat/completions", "inference_chat", "execute", Risk.GUARDED, Body.JSON)
OLGA = Principal("u:olga", "token", "kid")


def allowed(live: LivePolicy) -> bool:
    return live.current().decide(OLGA, CHAT, {}).allowed


def give(path: Path, clock: Clock, **more: object) -> str:
    fields = {"principal": "u:olga", "role": "operator", "tenant": None, "duration": timedelta(minutes=5)}
    entry = break_glass.make(**{**fields, **more}, since=clock.wall(), reason="the engine hangs", by="os:root")
    break_glass.grant(path, entry)
    return entry.id


def test_an_emergency_grant_counts_until_it_ends(tmp_path: Path):
    clock, glass, file = Clock(), tmp_path / "break-glass.json", tmp_path / "policy.csv"
    file.write_text("p, operator, inference_*, execute\np, reader, model_*, read\ng, u:olga, reader\n")
    live = LivePolicy([file], (), glass, watch=always, start=at_once, now=clock.wall)
    assert not allowed(live)
    assert not live.current().may(OLGA, CHAT)
    identifier = give(glass, clock)
    assert live.current().may(OLGA, CHAT)
    verdict = live.current().decide(OLGA, CHAT, {})
    assert (verdict.allowed, verdict.grant, verdict.roles) == (True, identifier, {"operator", "reader"})
    own = live.current().decide(OLGA, Access("/v1/models", "model_list", "read", Risk.GUARDED, Body.NONE), {})
    assert (own.allowed, own.grant) == (True, None)
    assert not live.current().decide(Principal("u:ann", "token", "kid"), CHAT, {}).allowed
    clock.now = 299.0
    assert allowed(live)
    clock.now = 300.0
    assert not allowed(live)
    loaded, began, ended = live.news()
    assert (loaded.event, began.event, ended.event) == (Event.LOADED, Event.GRANT_BEGAN, Event.GRANT_ENDED)
    assert (began.grant, began.principal, began.role, began.tenant) == (identifier, "u:olga", "operator", None)
    assert (began.reason, began.by, began.until) == ("the engine hangs", "os:root", "2026-11-24T03:05:00Z")
    assert ended.grant == identifier


def test_a_withdrawn_grant_ends_at_once(tmp_path: Path):
    clock, glass, file = Clock(), tmp_path / "break-glass.json", tmp_path / "policy.csv"
    file.write_text("p, operator, inference_*, execute\n")
    live = LivePolicy([file], (), glass, watch=always, start=at_once, now=clock.wall)
    first, second = give(glass, clock), give(glass, clock)
    assert live.current().decide(OLGA, CHAT, {}).grant == f"{first},{second}"
    break_glass.withdraw(glass, first, clock.wall())
    assert live.current().decide(OLGA, CHAT, {}).grant == second


def test_an_emergency_grant_gives_no_more_than_a_role_that_exists(tmp_path: Path):
    clock, glass, file = Clock(), tmp_path / "break-glass.json", tmp_path / "policy.csv"
    file.write_text("p, operator, inference_*, execute\np, *, inference_chat, *, hour == 3, deny\n")
    live = LivePolicy([file], (), glass, watch=always, start=at_once, now=clock.wall)
    give(glass, clock, role="king")
    assert not allowed(live)
    give(glass, clock)
    assert not allowed(live)
    assert live.current().decide(OLGA, CHAT, {"hour": 4}).allowed


def test_an_emergency_grant_may_give_all_rights_to_whoever_is_no_administrator(tmp_path: Path):
    clock, glass, file = Clock(), tmp_path / "break-glass.json", tmp_path / "policy.csv"
    file.write_text("p, admin, *, *\n")
    live = LivePolicy([file], (), glass, watch=always, start=at_once, now=clock.wall)
    give(glass, clock, role="admin")
    assert allowed(live)


@pytest.mark.parametrize("mistake", ["text", "mode", "directory"])
def test_a_broken_file_of_emergency_grants_grants_nothing(
    tmp_path: Path, mistake: str, caplog: pytest.LogCaptureFixture
):
    clock, glass, file = Clock(), tmp_path / "break-glass.json", tmp_path / "policy.csv"
    file.write_text("p, operator, inference_*, execute\n")
    live = LivePolicy([file], (), glass, watch=always, start=at_once, now=clock.wall)
    identifier = give(glass, clock)
    assert allowed(live)
    if mistake == "text":
        glass.write_text("{}")
    elif mistake == "mode":
        glass.chmod(0o644)
    else:
        glass.unlink()
        glass.mkdir()
    assert not allowed(live)
    clock.now = 60.0
    assert not allowed(live)
    news = live.news()
    assert [piece.event for piece in news] == [
        Event.LOADED,
        Event.GRANT_BEGAN,
        Event.GRANTS_REFUSED,
        Event.GRANT_ENDED,
    ]
    assert news[-1].grant == identifier
    assert caplog.text.count("no emergency grant counts") == 1
