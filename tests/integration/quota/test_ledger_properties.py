"""Whatever happens in whatever order, a ledger counts as the few lines of the model below do."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepseek_local.quota.limits import Counter, Kind
from deepseek_local.quota.standing import Allowed, Receipt

pytestmark = pytest.mark.integration

EVERY = (
    Counter("principal=u:alice", Kind.REQUESTS_PER_MINUTE, 4),
    Counter("principal=u:alice", Kind.TOKENS_PER_MINUTE, 100),
    Counter("everything", Kind.TOKENS_PER_DAY, 250),
    Counter("everything", Kind.CONCURRENT_STREAMS, 3),
)
CHOICES = [EVERY, EVERY[:2], EVERY[1:3], EVERY[3:]]

CHARGE = st.tuples(st.just("charge"), st.sampled_from(CHOICES), st.integers(0, 120))
SETTLE = st.tuples(st.just("settle"), st.integers(0, 9), st.integers(0, 130))
WAIT = st.tuples(st.just("wait"), st.sampled_from([1, 20, 60]), st.none())
STEPS = st.lists(st.one_of(CHARGE, CHARGE, SETTLE, WAIT), max_size=25)


def window_of(kind: Kind, now: float) -> int:
    return int(now) // kind.window_seconds


@dataclass
class Model:
    """Every charge that was allowed, with what it counts now; sums are made when they are asked for."""

    now: float
    charges: list[tuple[float, tuple[Counter, ...], int]] = field(default_factory=list)
    open: list[tuple[int, Receipt]] = field(default_factory=list)

    def used(self, counter: Counter) -> int:
        if counter.kind is Kind.CONCURRENT_STREAMS:
            return sum(counter in self.charges[index][1] for index, _ in self.open)
        return sum(
            tokens if counter.kind.counts_tokens else 1
            for moment, counters, tokens in self.charges
            if counter in counters and window_of(counter.kind, moment) == window_of(counter.kind, self.now)
        )

    def has_room(self, counters, tokens: int) -> bool:
        return all(self.used(each) + (tokens if each.kind.counts_tokens else 1) <= each.limit for each in counters)


async def charge(ledger, model: Model, counters, tokens: int) -> None:
    has_room = model.has_room(counters, tokens)
    answer = await ledger.charge(counters, tokens, f"{len(model.charges)}-{model.now}")
    assert isinstance(answer, Allowed) is has_room
    if isinstance(answer, Allowed):
        model.open.append((len(model.charges), answer.receipt))
        model.charges.append((model.now, counters, tokens))
        assert all(each.used <= each.counter.limit for each in answer.standings)


async def settle(ledger, model: Model, which: int, tokens: int) -> None:
    if model.open:
        index, receipt = model.open.pop(which % len(model.open))
        moment, counters, _ = model.charges[index]
        model.charges[index] = (moment, counters, tokens)
        await ledger.settle(receipt, tokens)


@given(steps=STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_ledger_counts_as_its_model(book, steps):
    async def story(ledger):
        # Leases do not survive this leap, nor the counts of the examples before.
        book.now += 10 * 86_400
        model = Model(book.now)
        for step, first, second in steps:
            if step == "charge":
                await charge(ledger, model, first, second)
            elif step == "settle":
                await settle(ledger, model, first, second)
            else:
                book.now = model.now = model.now + first
                await ledger.renew([receipt for _, receipt in model.open])
            shown = {(entry.scope, entry.kind): entry.used for entry in await ledger.show()}
            assert all(shown.get((each.scope, each.kind), 0) == model.used(each) for each in EVERY)

    book.play(story)
