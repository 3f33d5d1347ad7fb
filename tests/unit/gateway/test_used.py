"""What a request counts as once it has ended, also where the engine does not tell, or tells it too late."""

import asyncio
from typing import Any

from deepseek_local.digest_keys import DigestKey
from deepseek_local.gateway.middleware import _used
from deepseek_local.gateway.outcome import Outcome
from deepseek_local.keyed_hash import KeyedHash

TOLD = b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}'


class Journal:
    def append(self, *_: Any) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def used(status: int, *chunks: bytes, aborted: bool = False) -> tuple[int | None, int | None, int]:
    async def main() -> tuple[int | None, int | None, int]:
        found = []
        outcome = Outcome("id", Journal(), DigestKey("k1", KeyedHash(b"")), lambda ended: found.append(_used(ended)))
        outcome.status = status
        for chunk in chunks:
            outcome.count(chunk)
        await outcome.settle(aborted=aborted)
        return found[0]

    return asyncio.run(main())


def test_what_the_engine_tells_counts():
    assert used(200, TOLD) == (7, 5, len(TOLD))


def test_what_the_engine_never_saw_or_refused_counts_nothing():
    assert _used(None) == (0, 0, 0)
    assert used(400, b"{}") == (0, 0, 0)


def test_a_stream_that_broke_off_counts_its_chunks():
    assert used(200, b"data: a\n\n", aborted=True) == (None, None, 1)
    assert used(200, b"data: a\n\n", b"data: b\n\n", aborted=True) == (None, None, 2)


def test_a_whole_answer_that_tells_nothing_counts_its_bytes():
    """A token is a byte at least, and usage is not looked for in an answer that is too long."""
    long = b'{"logprobs":"' + bytes(9_000_000) + b'",' + TOLD[1:]
    assert used(200, long) == (None, None, len(long))


def test_leaving_does_not_undo_what_the_engine_has_done():
    """The engine answers with an error when its client leaves, after it has computed."""
    assert used(400, b"{}", aborted=True) == (None, None, 1)
