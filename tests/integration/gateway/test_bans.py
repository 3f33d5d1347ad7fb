"""A flood of wrong credentials leaves few records, and a stop loses none of what was suppressed."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from deepseek_local.identity import tokens
from deepseek_local.profile.front_door import Bans
from deepseek_local.profile.handover import GatewaySettings
from tests.integration.gateway.conftest import Door, wait_until

pytestmark = pytest.mark.integration


class StrictDoor(Door):
    """A front door that bans soon, for as long as a test needs."""

    ban_seconds = 600

    def settings(self) -> GatewaySettings:
        bans = Bans(failures=3, seconds=self.ban_seconds)
        return super().settings().model_copy(update={"bans": bans})


@pytest.fixture(params=["h11", "httptools"])
def strict(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StrictDoor]:
    door = StrictDoor(tmp_path, request.param)
    yield door
    for listener in door.listeners:
        listener.close()


def suppressed(door: Door) -> list[tuple[object, ...]]:
    return [(one["ip"], one["count"]) for one in door.sequencer.records() if one["kind"] == "suppressed"]


def test_the_begin_of_a_ban_is_on_record_with_the_refusal_that_brought_it(strict: StrictDoor):
    with strict.serving():
        assert [strict.ask(tokens.mint()[1]).status_code for _ in range(5)] == [401] * 3 + [429] * 2
        (ban,) = [one for one in strict.sequencer.records() if one["kind"] == "ban"]
        assert (ban["ip"], ban["count"]) == ("127.0.0.1", 3)
        lasts = datetime.fromisoformat(ban["until"]) - datetime.fromisoformat(ban["since"])
        assert 600 <= lasts.total_seconds() < 660
        refusals = [one for one in strict.sequencer.records() if one.get("reason") == "unauthenticated"]
        assert ban["seq"] < refusals[-1]["seq"]


def test_refusals_during_a_ban_are_one_record_at_the_stop(strict: StrictDoor):
    with strict.serving():
        statuses = [strict.ask(tokens.mint()[1]).status_code for _ in range(40)]
        assert statuses == [401] * 3 + [429] * 37
        assert strict.ask(strict.ann, "GET", "/v1/models").status_code == 200
        assert suppressed(strict) == []
    assert suppressed(strict) == [("127.0.0.1", 37)]
    assert [one["status"] for one in strict.sequencer.records() if one.get("dec") == "deny"] == [401] * 3


def test_a_ban_that_is_over_is_on_record_and_counts_anew(strict: StrictDoor):
    strict.ban_seconds = 1
    with strict.serving():
        assert [strict.ask(None).status_code for _ in range(5)] == [401] * 3 + [429] * 2
        wait_until(
            lambda: strict.ask(strict.ann, "GET", "/v1/models").status_code == 200 and bool(suppressed(strict)),
            "the ban is on record",
        )
        assert suppressed(strict) == [("127.0.0.1", 2)]
        assert strict.ask(None).status_code == 401
