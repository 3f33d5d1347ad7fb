"""What happens apart from requests is recorded in the order in which it happened, once, and before the decisions that follow."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from deepseek_local.errors import AuditError
from deepseek_local.gateway.announcements import Announcements
from deepseek_local.identity.bans import Ban, Suppressed
from deepseek_local.identity.loads import Load, Source
from deepseek_local.policy.news import Event, News


class Journal:
    """Keeps what is recorded; a record takes until `go_on`, and then fails while the sequencer is dead."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.asked = 0
        self.is_dead = False
        self.go_on = asyncio.Event()

    def append(self, _: str, fields: dict[str, Any]) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._append(fields))

    async def _append(self, fields: dict[str, Any]) -> None:
        self.asked += 1
        await self.go_on.wait()
        if self.is_dead:
            raise AuditError("dead")
        self.records.append(fields.get("grant") or fields.get("ip") or fields["obj"])


class Policy:
    def __init__(self, *grants: str) -> None:
        self.waiting: Iterable[News] = tuple(News(Event.GRANT_BEGAN, grant=grant) for grant in grants)

    def news(self) -> Iterable[News]:
        found, self.waiting = self.waiting, ()
        return found


class Authenticator:
    def __init__(self) -> None:
        self.suppressed: list[Suppressed] = []
        self.begun: list[Ban] = []
        self.loads: tuple[Load, ...] = ()

    def take_loads(self) -> tuple[Load, ...]:
        found, self.loads = self.loads, ()
        return found

    def take_begun(self) -> list[Ban]:
        found, self.begun = self.begun, []
        return found

    def take_suppressed(self, **_: bool) -> list[Suppressed]:
        found, self.suppressed = self.suppressed, []
        return found


def play(story: Callable[[Announcements, Journal], Awaitable[None]], *grants: str) -> None:
    async def main() -> None:
        journal = Journal()
        await story(Announcements(Policy(*grants), Authenticator(), journal), journal)

    asyncio.run(main())


async def write(announcements: Announcements) -> None:
    """Do as every request does."""
    if announcements.gather():
        await announcements.write()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_several_requests_write_the_same_news_once_and_in_order():
    async def story(announcements, journal):
        journal.go_on.set()
        await asyncio.gather(*(write(announcements) for _ in range(5)))
        assert journal.records == ["a", "b", "c"]

    play(story, "a", "b", "c")


def test_no_decision_is_made_while_what_came_before_it_is_not_on_disk():
    async def story(announcements, journal):
        requests = [asyncio.create_task(write(announcements)) for _ in range(3)]
        await turns()
        assert not any(request.done() for request in requests)
        journal.go_on.set()
        await asyncio.gather(*requests)
        assert journal.records == ["a"]

    play(story, "a")


def test_a_dead_sequencer_fails_all_who_wait_at_once_and_changes_no_order():
    async def story(announcements, journal):
        journal.is_dead = True
        requests = [asyncio.create_task(write(announcements)) for _ in range(3)]
        await turns()
        assert journal.asked == 1
        journal.go_on.set()
        for request in requests:
            with pytest.raises(AuditError):
                await request
        journal.is_dead = False
        await write(announcements)
        assert journal.records == ["a", "b"]

    play(story, "a", "b")


def test_a_client_that_leaves_meanwhile_neither_loses_nor_doubles_a_record():
    async def story(announcements, journal):
        request = asyncio.create_task(write(announcements))
        await turns()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        journal.go_on.set()
        await write(announcements)
        assert journal.records == ["a"]

    play(story, "a")


def test_bans_that_are_over_are_told_at_a_stop():
    async def story(announcements, journal):
        journal.go_on.set()
        announcements._authenticator.suppressed = [Suppressed("192.0.2.1", 3, datetime.now(UTC))]
        await announcements.write_rest()
        assert sorted(journal.records) == ["192.0.2.1", "a"]

    play(story, "a")


def test_a_ban_that_could_not_be_written_is_written_later():
    async def story(announcements, journal):
        journal.go_on.set()
        announcements._authenticator.begun = [Ban("192.0.2.1", 3, datetime.now(UTC), datetime.now(UTC))]
        journal.is_dead = True
        with pytest.raises(AuditError):
            await write(announcements)
        announcements._authenticator.begun = [Ban("192.0.2.2", 3, datetime.now(UTC), datetime.now(UTC))]
        journal.is_dead = False
        await write(announcements)
        await announcements.write_rest()
        assert journal.records == ["192.0.2.1", "192.0.2.2"]

    play(story)


def test_what_was_read_of_identities_comes_before_the_next_decision_and_at_a_stop():
    async def story(announcements, journal):
        journal.go_on.set()
        announcements._authenticator.loads = (Load(Source.TOKENS), Load(Source.DENY_LIST))
        await write(announcements)
        assert journal.records == ["tokens", "deny_list"]
        announcements._authenticator.loads = (Load(Source.KEY_SET),)
        await announcements.write_rest()
        assert journal.records == ["tokens", "deny_list", "key_set"]

    play(story)
