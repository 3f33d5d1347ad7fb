"""What every ledger does, whatever it counts in."""

import asyncio

import pytest

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import LEASE_SECONDS, Allowed, Entry, Exceeded

pytestmark = pytest.mark.integration

MINUTE = Counter("principal=u:alice", Kind.REQUESTS_PER_MINUTE, 3)
TOKENS = Counter("principal=u:alice", Kind.TOKENS_PER_MINUTE, 1000)
DAY = Counter("everything", Kind.TOKENS_PER_DAY, 5000)
STREAMS = Counter("role=operator", Kind.CONCURRENT_STREAMS, 2)
EVERY = (MINUTE, TOKENS, DAY, STREAMS)


async def used(ledger) -> dict[str, int]:
    return {entry.kind.value: entry.used for entry in await ledger.show()}


async def allowed(ledger, tokens: int, name: str, counters=EVERY) -> Allowed:
    answer = await ledger.charge(counters, tokens, name)
    assert isinstance(answer, Allowed)
    return answer


async def refused(ledger, tokens: int, name: str, counters=EVERY) -> Exceeded:
    answer = await ledger.charge(counters, tokens, name)
    assert isinstance(answer, Exceeded)
    return answer


def test_a_charge_counts_everywhere_and_tells_what_is_left(book):
    async def story(ledger):
        answer = await allowed(ledger, 400, "a")
        assert [each.remaining for each in answer.standings] == [2, 600, 4600, 1]
        assert [each.reset_seconds for each in answer.standings] == [45, 45, 43_185, None]
        assert await used(ledger) == {kind: 400 if "tokens" in kind else 1 for kind in Kind}

    book.play(story)


def test_a_request_that_does_not_fit_counts_nowhere(book):
    async def story(ledger):
        await allowed(ledger, 800, "a")
        before = await ledger.show()
        answer = await refused(ledger, 201, "b")
        assert answer.standing.counter == TOKENS
        assert (answer.amount, answer.retry_after_seconds) == (201, 45)
        assert await ledger.show() == before

    book.play(story)


def test_a_settlement_gives_back_what_was_not_used(book):
    async def story(ledger):
        answer = await allowed(ledger, 1000, "a")
        await ledger.settle(answer.receipt, 30)
        assert await used(ledger) == {Kind.REQUESTS_PER_MINUTE: 1, Kind.TOKENS_PER_MINUTE: 30, Kind.TOKENS_PER_DAY: 30}

    book.play(story)


def test_a_settlement_is_done_at_once_or_not_at_all(book):
    async def story(ledger):
        answer = await allowed(ledger, 1000, "a")
        before = await used(ledger)
        if not ledger.settle_now(answer.receipt, 30):
            assert await used(ledger) == before
            await ledger.settle(answer.receipt, 30)
        assert await used(ledger) == {Kind.REQUESTS_PER_MINUTE: 1, Kind.TOKENS_PER_MINUTE: 30, Kind.TOKENS_PER_DAY: 30}

    book.play(story)


def test_a_settlement_where_nothing_is_owed_changes_nothing(book):
    async def story(ledger):
        answer = await allowed(ledger, 1000, "a", [MINUTE])
        ledger.settle_now(answer.receipt, 0)
        await ledger.settle(answer.receipt, 0)
        assert await used(ledger) == {Kind.REQUESTS_PER_MINUTE: 1}

    book.play(story)


def test_a_settlement_adds_what_was_used_beyond_the_reservation(book):
    async def story(ledger):
        answer = await allowed(ledger, 900, "a")
        await ledger.settle(answer.receipt, 1200)
        assert (await used(ledger))[Kind.TOKENS_PER_MINUTE] == 1200
        await refused(ledger, 1, "b")

    book.play(story)


def test_a_new_minute_begins_at_zero_while_the_day_goes_on(book):
    async def story(ledger):
        for name in "abc":
            answer = await allowed(ledger, 100, name)
            await ledger.settle(answer.receipt, 100)
        await refused(ledger, 100, "d")
        book.now += 45
        assert await used(ledger) == {Kind.TOKENS_PER_DAY: 300}
        answer = await allowed(ledger, 100, "e")
        assert [each.remaining for each in answer.standings] == [2, 900, 4600, 1]

    book.play(story)


def test_a_settlement_leaves_the_next_minute_alone(book):
    async def story(ledger):
        early = await allowed(ledger, 1000, "early")
        book.now += 60
        await allowed(ledger, 500, "late")
        await ledger.settle(early.receipt, 0)
        assert await used(ledger) == {
            Kind.REQUESTS_PER_MINUTE: 1,
            Kind.TOKENS_PER_MINUTE: 500,
            Kind.TOKENS_PER_DAY: 500,
            Kind.CONCURRENT_STREAMS: 1,
        }

    book.play(story)


def test_a_clock_that_is_set_back_opens_the_minute_that_it_tells(book):
    async def story(ledger):
        for name in "abc":
            await ledger.settle((await allowed(ledger, 1, name)).receipt, 1)
        book.now -= 3600
        await allowed(ledger, 1, "d")
        assert (await used(ledger))[Kind.REQUESTS_PER_MINUTE] == 1

    book.play(story)


def test_no_more_requests_run_than_are_allowed(book):
    async def story(ledger):
        first = await allowed(ledger, 0, "a", [STREAMS])
        await allowed(ledger, 0, "b", [STREAMS])
        answer = await refused(ledger, 0, "c", [STREAMS])
        assert answer.retry_after_seconds == 1
        await ledger.settle(first.receipt, 0)
        await allowed(ledger, 0, "d", [STREAMS])

    book.play(story)


def test_a_lease_that_is_not_renewed_lapses(book):
    async def story(ledger):
        kept, lost = await allowed(ledger, 0, "kept", [STREAMS]), await allowed(ledger, 0, "lost", [STREAMS])
        book.now += LEASE_SECONDS - 1
        await ledger.renew([kept.receipt])
        await refused(ledger, 0, "c", [STREAMS])
        book.now += 1
        assert await used(ledger) == {Kind.CONCURRENT_STREAMS: 1}
        await allowed(ledger, 0, "d", [STREAMS])
        await ledger.renew([lost.receipt])
        assert await used(ledger) == {Kind.CONCURRENT_STREAMS: 3}

    book.play(story)


def test_a_reset_forgets_the_counts_of_a_scope_and_what_they_are_owed(book):
    async def story(ledger):
        before = await allowed(ledger, 700, "a")
        await ledger.reset("principal=u:alice")
        assert await used(ledger) == {Kind.TOKENS_PER_DAY: 700, Kind.CONCURRENT_STREAMS: 1}
        await allowed(ledger, 300, "b")
        await ledger.settle(before.receipt, 0)
        assert await used(ledger) == {
            Kind.REQUESTS_PER_MINUTE: 1,
            Kind.TOKENS_PER_MINUTE: 300,
            Kind.TOKENS_PER_DAY: 300,
            Kind.CONCURRENT_STREAMS: 1,
        }

    book.play(story)


def test_a_reset_of_everything_leaves_only_what_runs(book):
    async def story(ledger):
        await ledger.reset(None)
        await allowed(ledger, 700, "a")
        await ledger.reset(None)
        assert await ledger.show() == (Entry("role=operator", Kind.CONCURRENT_STREAMS, 1, None),)

    book.play(story)


def test_nothing_is_shown_where_nothing_was_counted(book):
    async def story(ledger):
        assert await ledger.show() == ()

    book.play(story)


def test_two_ledgers_of_one_place_are_one(book):
    async def story(ledger):
        other = book.open()
        await allowed(ledger, 600, "a")
        await refused(other, 600, "b")
        await other.close()

    book.play(story)


def test_many_charges_at_once_never_pass_the_limit(book):
    async def story(ledger):
        limited = Counter("everything", Kind.REQUESTS_PER_MINUTE, 20)
        answers = await asyncio.gather(*(ledger.charge([limited], 0, f"{number}") for number in range(50)))
        assert sum(isinstance(answer, Allowed) for answer in answers) == 20

    book.play(story)


def test_processes_share_one_limit(book):
    processes = [book.process(limit=150, task="100") for _ in range(3)]
    counts = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(counts) == 150

    async def story(ledger):
        assert await used(ledger) == {Kind.REQUESTS_PER_MINUTE: 150, Kind.TOKENS_PER_DAY: 450}

    book.play(story)


def test_a_killed_process_gives_its_leases_back(book):
    holder = book.process(limit=1, task="hold")
    assert holder.stdout.readline() == "Allowed\n"
    single = Counter("everything", Kind.CONCURRENT_STREAMS, 1)

    async def story(ledger):
        await refused(ledger, 0, "a", [single])
        holder.kill()
        holder.wait()
        book.now += LEASE_SECONDS
        await allowed(ledger, 0, "b", [single])

    book.play(story)
