"""Setting a quota to zero leaves a record before it counts."""

import asyncio
import signal

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.sqlite import SQLiteLedger

pytestmark = pytest.mark.integration

DAY = [Counter("principal=u:alice", Kind.TOKENS_PER_DAY, 1000), Counter("everything", Kind.TOKENS_PER_DAY, 1000)]


@pytest.fixture
def ledger(sequencer, tmp_path, monkeypatch):
    """The ledger of a home whose runtime directory is the sequencer's."""
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(sequencer.place))
    sequencer.start()
    return sequencer.place / "quota.db"


def used(file) -> list[int]:
    async def show() -> list[int]:
        book = SQLiteLedger(file, 5.0)
        entries = await book.show()
        await book.close()
        return [entry.used for entry in entries]

    return asyncio.run(show())


def charge(file) -> None:
    async def ask() -> None:
        book = SQLiteLedger(file, 5.0)
        await book.charge(DAY, 300, "a")
        await book.close()

    asyncio.run(ask())


def test_a_reset_is_on_record_with_what_it_forgets(ledger, sequencer):
    charge(ledger)
    assert run(["quota", "reset", "principal=u:alice"]) == ExitCode.OK
    assert run(["quota", "reset", "--all", "--dry-run"]) == ExitCode.OK
    assert run(["quota", "reset", "--all"]) == ExitCode.OK
    changes = [record for record in sequencer.records() if record["kind"] == "admin"]
    assert [(record["act"], record["obj"], record["attr"]) for record in changes] == [
        ("quota_reset", "quota", {"scope": "principal=u:alice", "tokens_per_day": 300}),
        ("quota_reset", "quota", {"scope": "all", "counters": 1}),
    ]
    assert used(ledger) == []


def test_a_reset_whose_record_is_not_taken_does_not_happen(ledger, sequencer):
    charge(ledger)
    sequencer.end(signal.SIGKILL)
    assert run(["quota", "reset", "--all"]) == ExitCode.FAILED
    assert used(ledger) == [300, 300]
