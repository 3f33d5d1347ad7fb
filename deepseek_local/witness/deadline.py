"""
Reading from a socket until a moment, not for so long at a time: a client that sends a byte now and then must not hold a thread for hours.

`http.server` knows a timeout for each read only.
"""

import io
import socket
import time
from collections.abc import Callable


class DeadlineReader(io.RawIOBase):
    """What a socket receives, until `extend` says. Raises `TimeoutError` after that."""

    def __init__(self, connection: socket.socket, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._connection = connection
        self._clock = clock
        self._end = clock() + seconds

    def extend(self, seconds: float) -> None:
        """Read for so long from now on."""
        self._end = self._clock() + seconds

    def readable(self) -> bool:
        """Tell `BufferedReader` that this can be read."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # `BufferedReader` passes no other buffer
        """Wait for bytes, but not beyond the end."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the client was too slow")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
