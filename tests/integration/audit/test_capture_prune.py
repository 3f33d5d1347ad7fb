"""`audit capture prune` deletes old days of captured texts, after the log has a record of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deepseek_local.capture.store import Store
from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode
from deepseek_local.identity import keys

pytestmark = pytest.mark.integration

PERIOD = ["--set", "audit.retention_days=2"]


@pytest.fixture
def home(sequencer, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "cpu-demo")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(sequencer.place))
    return tmp_path / "home"


@pytest.fixture
def captured(home):
    """A text of today and of each of the four days before; their digests, the oldest first."""
    home.mkdir()
    now = datetime.now(UTC)
    key = keys.ensure(home / "capture.key")
    return [
        Store(home / "capture", key, lambda age=age: now - timedelta(days=age)).put(b"text") for age in range(4, -1, -1)
    ]


def stored(home) -> list[str]:
    return sorted(path.name for path in (home / "capture").iterdir())


def prune(capsys, *options: str) -> dict:
    assert run(["audit", "capture", "prune", *PERIOD, "--format", "json", *options]) == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def test_days_past_the_retention_are_deleted_after_a_record_of_it(home, captured, sequencer, capsys):
    sequencer.start()
    before = stored(home)
    shown = prune(capsys)
    assert (shown["done"], [day["day"] for day in shown["days"]], stored(home)) == (False, before[:2], before)
    shown = prune(capsys, "--yes")
    assert (shown["done"], stored(home)) == (True, before[2:])
    assert prune(capsys, "--yes")["days"] == []
    (change,) = [record for record in sequencer.records() if record["kind"] == "admin"]
    assert (change["act"], change["obj"]) == ("capture_prune", "capture")
    assert change["attr"] == {"first": before[0], "last": before[1], "days": 2, "texts": 2}
    assert change["sub"]["id"].startswith("os:")
    assert run(["audit", "capture", "show", captured[1]]) == ExitCode.FAILED
    assert run(["audit", "capture", "show", captured[2]]) == ExitCode.OK


@pytest.mark.usefixtures("captured")
def test_without_a_record_nothing_is_deleted(home, capsys):
    before = stored(home)
    assert run(["audit", "capture", "prune", "--yes", *PERIOD]) == ExitCode.FAILED
    assert "nothing was deleted" in capsys.readouterr().err
    assert stored(home) == before


@pytest.mark.usefixtures("captured")
def test_without_a_period_nothing_is_deleted(home, sequencer, capsys):
    sequencer.start()
    before = stored(home)
    assert run(["audit", "capture", "prune", "--yes"]) == ExitCode.FAILED
    assert "does not say how long" in capsys.readouterr().err
    assert stored(home) == before


@pytest.mark.usefixtures("captured")
def test_the_table_says_what_would_go(home, capsys):
    assert run(["audit", "capture", "prune", *PERIOD]) == ExitCode.OK
    output = capsys.readouterr().out
    assert all(day in output for day in stored(home)[:2])
    assert output.endswith("This would be deleted.\n")


@pytest.mark.usefixtures("home")
def test_a_home_without_texts_has_nothing_to_delete(capsys):
    assert run(["audit", "capture", "prune", *PERIOD]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("No texts of a day before ")
