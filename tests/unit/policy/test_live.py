"""The policy in force follows its files, and survives their mistakes."""

import os
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from live_policy import Clock, Later, Work, always, at_once

from deepseek_local.access import Access, Body, Principal, Risk
from deepseek_local.errors import PolicyError
from deepseek_local.files import Watch
from deepseek_local.policy.live import LivePolicy
from deepseek_local.policy.news import Event, News
from deepseek_local.policy.reload import GRACE_SECONDS

CHAT = Access("/v1/chat/completions", "inference_chat", "execute", Risk.GUARDED, Body.JSON)
OLGA = Principal("u:olga", "token", "kid")
OPEN = "p, operator, inference_*, execute\ng, u:olga, operator\n"
CLOSED = "p, operator, model_*, read\ng, u:olga, operator\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.csv"
    path.write_text(OPEN)
    return path


def allowed(live: LivePolicy) -> bool:
    return live.current().decide(OLGA, CHAT, {}).allowed


def events(live: LivePolicy) -> list[Event]:
    return [piece.event for piece in live.news()]


def test_a_changed_file_is_in_force_at_the_next_look(file: Path):
    clock = Clock()
    live = LivePolicy([file], watch=partial(Watch, interval_seconds=0.25, clock=clock), start=at_once)
    assert allowed(live)
    file.write_text(CLOSED)
    clock.now = 0.2
    assert allowed(live)
    clock.now = 0.25
    assert not allowed(live)


@pytest.mark.parametrize("mistake", ["", "p, operator, inference_*\n", "remove", "directory", "fifo", "mode", "table"])
def test_a_broken_change_leaves_the_last_good_policy(file: Path, mistake: str, caplog: pytest.LogCaptureFixture):
    live = LivePolicy([file], watch=always, start=at_once)
    digest = live.current().digest
    live.news()
    if mistake in {"remove", "directory", "fifo"}:
        file.unlink()
        if mistake == "directory":
            file.mkdir()
        elif mistake == "fifo":
            os.mkfifo(file)
    elif mistake == "mode":
        file.write_text(CLOSED)
        file.chmod(0o666)
    elif mistake == "table":
        file.with_name("policy.tests.csv").write_text("u:olga, POST /v1/chat/completions, , deny\n")
    else:
        file.write_text(mistake)
    assert allowed(live)
    assert live.current().digest == digest
    assert caplog.text.count("the changed policy is not used") == 1
    (news,) = live.news()
    assert (news.event, news.before, news.digest) == (Event.REFUSED, digest, None)
    assert news.reason is not None
    assert str(file.parent) in news.reason


def test_a_mended_file_is_taken_again(file: Path):
    live = LivePolicy([file], watch=always, start=at_once)
    before = live.current().digest
    file.write_text("")
    assert allowed(live)
    file.write_text(CLOSED)
    assert not allowed(live)
    assert live.news() == (
        News(Event.LOADED, digest=before),
        News(
            Event.REFUSED,
            before=before,
            reason=f"{file}: policy is empty: casbin would allow everything to an empty subject; add a `p` line",
        ),
        News(Event.LOADED, digest=live.current().digest, before=before),
    )
    assert live.news() == ()


def test_a_start_with_a_broken_policy_is_refused(file: Path):
    file.write_text("")
    with pytest.raises(PolicyError, match="policy is empty"):
        LivePolicy([file])


def test_a_start_with_a_policy_that_breaks_its_table_is_refused(file: Path):
    file.with_name("policy.tests.csv").write_text("u:olga, POST /v1/chat/completions, , deny\n")
    with pytest.raises(PolicyError, match="expected deny"):
        LivePolicy([file])


def test_only_administrators_are_let_have_all_rights(file: Path):
    file.write_text("p, admin, *, *\ng, u:olga, admin\n")
    with pytest.raises(PolicyError, match=r"add it to gateway\.administrators"):
        LivePolicy([file])
    assert allowed(LivePolicy([file], ["u:olga"]))


def test_while_a_large_policy_loads_the_old_one_is_in_force(file: Path):
    clock, thread = Clock(), Later()
    live = LivePolicy([file], watch=always, start=thread, clock=clock)
    file.write_text(CLOSED)
    assert allowed(live)
    clock.now = GRACE_SECONDS - 0.1
    assert allowed(live)
    assert len(thread.waiting) == 1
    thread.work()
    assert not allowed(live)


def test_what_changes_while_it_is_read_is_read_again(file: Path):
    thread = Later()
    live = LivePolicy([file], watch=always, start=thread, clock=Clock())
    file.write_text(CLOSED)
    assert allowed(live)
    thread.work()
    file.write_text(OPEN + "# again\n")
    assert not allowed(live)
    assert not allowed(live)
    thread.work()
    assert allowed(live)


class Patient(Future):
    """Ends only for who waits without a limit."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if timeout is not None:
            raise TimeoutError
        return None

    def result(self, timeout: float | None = None) -> object:
        assert timeout is None
        return self._work()


def test_a_request_waits_for_a_policy_that_has_been_loading_for_too_long(file: Path):
    clock = Clock()
    live = LivePolicy([file], watch=always, start=Patient, clock=clock)
    file.write_text(CLOSED)
    # Nobody has asked for an hour: the first who does must not be answered by the old policy, however long loading takes.
    clock.now = 3600.0
    assert not allowed(live)
    file.write_text(OPEN)
    assert not allowed(live)
    clock.now += GRACE_SECONDS
    assert allowed(live)


def test_a_policy_is_loaded_in_a_thread(file: Path):
    live = LivePolicy([file], watch=always, clock=Clock())
    file.write_text(CLOSED)
    for _ in range(1_000):
        if not allowed(live):
            return
    pytest.fail("the changed policy did not come into force")


def test_a_shadow_policy_is_only_told_where_it_differs(file: Path, tmp_path: Path):
    shadow = tmp_path / "shadow.csv"
    shadow.write_text(CLOSED)
    live = LivePolicy([file], shadow_files=[shadow], watch=always, start=at_once)
    verdict = live.current().decide(OLGA, CHAT, {})
    assert (verdict.allowed, verdict.shadow) == (True, "deny default")
    shadow.write_text(OPEN)
    assert live.current().decide(OLGA, CHAT, {}).shadow is None
    shadow.write_text("p, operator, *, execute\ng, u:olga, operator\n")
    file.write_text(CLOSED)
    verdict = live.current().decide(OLGA, CHAT, {})
    assert (verdict.allowed, verdict.shadow) == (False, "allow p:operator/*/execute")
    assert events(live) == [Event.LOADED, *[Event.SHADOW_LOADED] * 2, Event.LOADED, Event.SHADOW_LOADED]


def test_what_only_a_shadow_policy_may_allow_is_asked_with_all_attributes(file: Path, tmp_path: Path):
    file.write_text(CLOSED)
    shadow = tmp_path / "shadow.csv"
    shadow.write_text("p, operator, inference_*, execute, stream\ng, u:olga, operator\n")
    live = LivePolicy([file], shadow_files=[shadow], watch=always, start=at_once)
    assert live.current().may(OLGA, CHAT)
    verdict = live.current().decide(OLGA, CHAT, {"stream": True})
    assert (verdict.allowed, verdict.shadow) == (False, "allow p:operator/inference_*/execute if stream")
    shadow.write_text(CLOSED)
    assert not live.current().may(OLGA, CHAT)


def test_a_broken_shadow_policy_changes_nothing(file: Path, tmp_path: Path):
    shadow = tmp_path / "shadow.csv"
    live = LivePolicy([file], shadow_files=[shadow], watch=always, start=at_once)
    assert allowed(live)
    shadow.write_text(CLOSED)
    assert live.current().decide(OLGA, CHAT, {}).shadow == "deny default"
    shadow.write_text("p\n")
    assert live.current().decide(OLGA, CHAT, {}).shadow == "deny default"
    assert events(live) == [Event.LOADED, Event.SHADOW_REFUSED, Event.SHADOW_LOADED, Event.SHADOW_REFUSED]
