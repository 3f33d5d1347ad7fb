"""Sends cases over several connections, many at once on each, and takes down every answer."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.fuzz.cases import Case

BATCH = 8
PATIENCE_SECONDS = 20.0
"""For the answer to a request that has an end."""
TOO_MANY = 100
"""Requests without an answer after which nothing more is learnt."""
FIRST_SECONDS, NEXT_SECONDS = 0.4, 0.03
"""For the first answer to bytes of which nobody knows whether they are a request, and for each further one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and id of one answer; the id is empty where the server itself answered."""

    status: int
    request_id: str
    is_last: bool
    """Whether the server hangs up behind it."""


@dataclass
class Protocol:
    """What was sent and what came back."""

    answers: list[tuple[Case, Answer]] = field(default_factory=list)
    unanswered: list[Case] = field(default_factory=list)
    """Whole requests without any answer."""
    sent: int = 0


class Connections:
    """Works a row of cases off."""

    def __init__(self, port: int, cases: Iterator[Case]) -> None:
        self._port = port
        self._cases = cases
        self.protocol = Protocol()

    async def run(self, count: int) -> Protocol:
        """Send everything over `count` connections at a time; return what came of it."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._work())
        return self.protocol

    async def _work(self) -> None:
        waiting: deque[Case] = deque()
        while waiting or self._take(waiting):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while await self._exchange(reader, writer, waiting) and (waiting or self._take(waiting)):
                    pass
            except OSError:
                # The server hung up while bytes were on their way; what was not answered goes over the next connection.
                pass
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    def _take(self, waiting: deque[Case]) -> bool:
        """Let more cases wait; return whether there are any."""
        waiting.extend(itertools.islice(self._cases, BATCH))
        self.protocol.sent += len(waiting)
        return bool(waiting)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: deque[Case]) -> bool:
        """Send all cases up to the first that may upset the server, or that one; return whether the connection is still good."""
        row = list(itertools.takewhile(lambda case: case.is_plain, waiting)) or [waiting[0]]
        writer.write(b"".join(case.data for case in row))
        if row[0].is_broken:
            await self._rest(reader, waiting.popleft())
            return False
        for case in row:
            answer = await self._patiently(reader, case)
            waiting.popleft()
            if answer is None:
                return False
            self.protocol.answers.append((case, answer))
            if answer.is_last:
                return False
        return True

    async def _patiently(self, reader: asyncio.StreamReader, case: Case) -> Answer | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await _answer(reader, case.method)
        except TimeoutError:
            answer = None
        if answer is None:
            self.protocol.unanswered.append(case)
            if len(self.protocol.unanswered) > TOO_MANY:
                raise RuntimeError("the front door has stopped answering")
        return answer

    async def _rest(self, reader: asyncio.StreamReader, case: Case) -> None:
        """Take whatever comes."""
        patience_seconds = FIRST_SECONDS
        with contextlib.suppress(TimeoutError, OSError):
            while True:
                async with asyncio.timeout(patience_seconds):
                    answer = await _answer(reader, case.method)
                if answer is None:
                    return
                self.protocol.answers.append((case, answer))
                if answer.status == 101:
                    return
                patience_seconds = NEXT_SECONDS


async def _answer(reader: asyncio.StreamReader, method: str) -> Answer | None:
    """Read one answer; None when the connection ends before it does, or what comes is none."""
    try:
        status = 100
        while status == 100:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
        lines = (line.partition(b":") for line in head[:-4].lower().split(b"\r\n")[1:])
        headers = {name: value.strip() for name, _, value in lines}
        if method != "HEAD":
            await _skip_body(reader, headers)
    except (asyncio.IncompleteReadError, ValueError):
        return None
    request_id = headers.get(b"x-request-id", b"").decode("ascii").upper()
    return Answer(status, request_id, headers.get(b"connection") == b"close")


async def _skip_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> None:
    if b"transfer-encoding" not in headers:
        await reader.readexactly(int(headers.get(b"content-length", b"0")))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        await reader.readexactly(size + 2)
    await reader.readuntil(b"\r\n")
