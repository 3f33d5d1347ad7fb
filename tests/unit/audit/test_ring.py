"""The ring: order, bounds, and the count of what fell out."""

import asyncio

import pytest

from deepseek_local.audit.ring import Held, Loss, Ring
from deepseek_local.errors import AuditError

SECOND = 1_000_000_000


def held(text: bytes = b"{}", wall_ns: int = 0) -> Held:
    return Held(text, wall_ns, 0)


def attempt(error: Exception | None = None) -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return future


def test_records_leave_as_they_came():
    ring, records = Ring(10, 1000), [held() for _ in range(4)]
    for each in records:
        ring.push(each)
    assert ring.oldest is records[0]
    assert ring.take(3) == records[:3]
    assert len(ring) == 4
    ring.put_back()
    assert ring.take(9) == records
    assert len(ring) == 4


@pytest.mark.parametrize(("count", "size"), [(3, 1000), (1000, 12)])
def test_the_oldest_fall_out_and_are_counted_with_their_time(count, size):
    ring = Ring(count, size)
    for second in range(5):
        ring.push(held(b"1234", second * SECOND))
    assert ring.trim() == 2
    assert ring.trim() == 0
    assert ring.oldest.wall_ns == 2 * SECOND
    assert ring.loss.fields() == {
        "count": 2,
        "reason": "degraded",
        "since": "1970-01-01T00:00:00.000000Z",
        "until": "1970-01-01T00:00:01.000000Z",
    }


def test_what_is_written_is_forgotten_in_order_and_never_counted_as_lost():
    async def main():
        ring, records = Ring(1, 1000), [held() for _ in range(3)]
        for each in records:
            ring.push(each)
        records[1].sent = attempt()
        ring.forget_written()
        assert len(ring) == 3
        records[0].sent = attempt()
        ring.forget_written()
        assert ring.oldest is records[2]
        records[2].sent = attempt()
        ring.push(held())
        assert ring.trim() == 0
        assert len(ring) == 1

    asyncio.run(main())


def test_only_what_failed_is_put_back():
    async def main():
        ring, records = Ring(10, 1000), [held(b"1234") for _ in range(3)]
        for each in records:
            ring.push(each)
        ring.take(3)
        records[0].sent, records[1].sent = attempt(AuditError("no")), attempt()
        ring.put_back()
        assert ring.take(3) == [records[0], records[2]]

    asyncio.run(main())


def test_losses_add_up():
    loss = Loss()
    loss.add(Loss())
    assert loss == Loss()
    loss.add(Loss(2, 5, 6))
    loss.add(Loss(1, 7, 9))
    assert loss == Loss(3, 5, 9)
