"""The policy in force follows its files, and survives their mistakes."""

import os
from pathlib import Path

import pytest

from deepseek_local.access import Access, Body, Risk
from deepseek_local.errors import PolicyError
from deepseek_local.files import Watch
from deepseek_local.policy.live import LivePolicy

CHAT = Access("/v1/chat/completions", "inference_chat", "execute", Risk.GUARDED, Body.JSON)
OPEN = "p, operator, inference_*, execute\ng, u:olga, operator\n"
CLOSED = "p, operator, model_*, read\ng, u:olga, operator\n"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.csv"
    path.write_text(OPEN)
    return path


def allowed(live: LivePolicy) -> bool:
    return live.current().decide("u:olga", CHAT).allowed


def test_a_changed_file_is_in_force_at_the_next_look(file: Path):
    clock = Clock()
    live = LivePolicy([file], Watch([file], 0.25, clock))
    assert allowed(live)
    file.write_text(CLOSED)
    clock.now = 0.2
    assert allowed(live)
    clock.now = 0.25
    assert not allowed(live)


@pytest.mark.parametrize("mistake", ["", "p, operator, inference_*\n", "remove", "directory", "fifo", "mode"])
def test_a_broken_change_leaves_the_last_good_policy(file: Path, mistake: str, caplog: pytest.LogCaptureFixture):
    live = LivePolicy([file], Watch([file], 0))
    digest = live.current().digest
    if mistake in {"remove", "directory", "fifo"}:
        file.unlink()
        if mistake == "directory":
            file.mkdir()
        elif mistake == "fifo":
            os.mkfifo(file)
    elif mistake == "mode":
        file.write_text(CLOSED)
        file.chmod(0o666)
    else:
        file.write_text(mistake)
    assert allowed(live)
    assert live.current().digest == digest
    assert caplog.text.count("the changed policy is not used") == 1


def test_a_mended_file_is_taken_again(file: Path):
    live = LivePolicy([file], Watch([file], 0))
    file.write_text("")
    assert allowed(live)
    file.write_text(CLOSED)
    assert not allowed(live)


def test_a_start_with_a_broken_policy_is_refused(file: Path):
    file.write_text("")
    with pytest.raises(PolicyError, match="policy is empty"):
        LivePolicy([file])
