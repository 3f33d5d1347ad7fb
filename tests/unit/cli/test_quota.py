"""`deepseek-local quota`: what is used, beside its limit, and how it is set to zero."""

import asyncio
import json
from pathlib import Path

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.sqlite import SQLiteLedger

QUOTAS = '[{"principal": "*", "tokens_per_day": 1000, "concurrent_streams": 2}, {"tokens_per_day": 9000}]'
COUNTERS = [
    Counter("principal=u:alice", Kind.TOKENS_PER_DAY, 1000),
    Counter("principal=u:alice", Kind.CONCURRENT_STREAMS, 2),
    Counter("everything", Kind.TOKENS_PER_DAY, 9000),
    Counter("role=gone", Kind.TOKENS_PER_DAY, 5000),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir()
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    monkeypatch.setenv("DEEPSEEK_LOCAL_SET", f"gateway.quotas={QUOTAS}".replace(" ", ""))
    return tmp_path


@pytest.fixture
def used(home: Path) -> None:
    async def charge() -> None:
        ledger = SQLiteLedger(home / "run" / "quota.db", 5.0)
        await ledger.charge(COUNTERS, 300, "a")
        await ledger.close()

    asyncio.run(charge())


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, int, int | None]]:
    assert run(["quota", *arguments, "--format", "json"]) == ExitCode.OK
    listed = json.loads(capsys.readouterr().out)
    return [(each["counter"], each["kind"], each["used"], each["limit"]) for each in listed]


@pytest.mark.usefixtures("used")
def test_show_puts_each_use_beside_its_limit(capsys: pytest.CaptureFixture[str]):
    assert shown(capsys, "show") == [
        ("everything", "tokens_per_day", 300, 9000),
        ("principal=u:alice", "tokens_per_day", 300, 1000),
        ("role=gone", "tokens_per_day", 300, None),
        ("principal=u:alice", "concurrent_streams", 1, 2),
    ]


@pytest.mark.usefixtures("used")
def test_show_as_a_table(capsys: pytest.CaptureFixture[str]):
    assert run(["quota", "show", "--principal", "u:alice"]) == ExitCode.OK
    heading, day, running = capsys.readouterr().out.splitlines()
    assert heading.split() == ["COUNTER", "KIND", "USED", "LIMIT", "RESETS", "IN", "S"]
    assert day.split()[:4] == ["principal=u:alice", "tokens_per_day", "300", "1000"]
    assert running.split() == ["principal=u:alice", "concurrent_streams", "1", "2", "-"]


@pytest.mark.usefixtures("home")
def test_show_of_nothing_is_empty(capsys: pytest.CaptureFixture[str]):
    assert shown(capsys, "show") == []


@pytest.mark.usefixtures("used")
def test_reset_of_one_counter_leaves_the_others(capsys: pytest.CaptureFixture[str]):
    assert run(["quota", "reset", "principal=u:alice"]) == ExitCode.OK
    output = capsys.readouterr()
    assert output.out == "principal=u:alice tokens_per_day: 300 is set to 0.\n"
    assert "no audit log takes a record" in output.err
    assert [each[0] for each in shown(capsys, "show")] == ["everything", "role=gone", "principal=u:alice"]


@pytest.mark.usefixtures("used")
def test_reset_of_all_leaves_what_runs(capsys: pytest.CaptureFixture[str]):
    assert len(shown(capsys, "reset", "--all")) == 3
    assert shown(capsys, "show") == [("principal=u:alice", "concurrent_streams", 1, 2)]


@pytest.mark.usefixtures("used")
def test_a_dry_run_resets_nothing(capsys: pytest.CaptureFixture[str]):
    assert run(["quota", "reset", "--all", "--dry-run"]) == ExitCode.OK
    assert "everything tokens_per_day: 300 would be set to 0." in capsys.readouterr().out
    assert len(shown(capsys, "show")) == 4


@pytest.mark.usefixtures("used")
def test_a_counter_that_is_not_in_use_is_told(capsys: pytest.CaptureFixture[str]):
    assert run(["quota", "reset", "principal=u:bob"]) == ExitCode.FAILED
    assert "nothing is counted under 'principal=u:bob' now" in capsys.readouterr().err


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize("arguments", [[], ["everything", "--all"]])
def test_reset_wants_one_counter_or_all(arguments: list[str]):
    assert run(["quota", "reset", *arguments]) == ExitCode.USAGE
